use crate::scripted::{Part, body_of};

use super::*;

async fn read(parts: &[&str], longest: usize) -> Vec<String> {
    let parts = parts.iter().map(|part| Part::Text((*part).to_owned())).collect();
    let mut lines = Lines::new(body_of(parts), longest);
    let mut read = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        read.push(match line {
            Line::Text(line) => String::from_utf8(line.to_vec()).unwrap(),
            Line::TooLong => "TOO LONG".to_owned(),
        });
    }
    read
}

#[tokio::test]
async fn lines_do_not_depend_on_how_the_body_is_cut() {
    let body = "one\ntwo\n\n  \nthree\n";
    for cut in 1..body.len() {
        let parts: Vec<_> = body.as_bytes().chunks(cut).map(|part| std::str::from_utf8(part).unwrap()).collect();
        assert_eq!(read(&parts, 100).await, ["one", "two", "three"], "cut every {cut}");
    }
}

#[tokio::test]
async fn a_line_cut_off_by_the_end_is_dropped() {
    assert_eq!(read(&["one\ntw"], 100).await, ["one"]);
}

#[tokio::test]
async fn a_line_that_is_too_long_is_dropped_alone() {
    for parts in [&["123456789\nnext\n"][..], &["1234", "56789\nnext\n"], &["123", "456", "789", "\nnext\n"]] {
        assert_eq!(read(parts, 5).await, ["TOO LONG", "next"], "{parts:?}");
    }
}
