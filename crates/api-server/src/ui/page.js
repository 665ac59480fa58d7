
"use strict";
const applications = document.getElementById("applications");
const connection = document.getElementById("connection");
let shown = applications.innerHTML;
async function refresh() {
  if (document.hidden) return;
  try {
    const response = await fetch("/ui/rows", { cache: "no-store" });
    if (!response.ok) throw new Error("the answer was " + response.status);
    const text = await response.text();
    const selecting = String(getSelection()) !== "" || applications.contains(document.activeElement);
    if (text !== shown && !selecting) {
      applications.innerHTML = text;
      shown = text;
    }
    if (connection.textContent !== "") connection.textContent = "";
  } catch (error) {
    connection.textContent = "The daemon does not answer; the table shows its last answer.";
  }
}
setInterval(refresh, 2000);
document.addEventListener("visibilitychange", refresh);
