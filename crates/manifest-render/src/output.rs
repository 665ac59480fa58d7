use kube_object::RenderedManifests;
use kube_yaml::to_yaml;

/// How rendered manifests are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML documents.
    Yaml,
    /// One JSON object a line.
    Json,
}

/// Writes rendered manifests as text, in their order.
pub fn write_output(manifests: &RenderedManifests, format: Format) -> String {
    let mut out = String::new();
    for (at, object) in manifests.objects.iter().enumerate() {
        match format {
            Format::Json => {
                out.push_str(&String::from_utf8_lossy(&object.body.to_json()));
                out.push('\n');
            }
            Format::Yaml => {
                if at > 0 {
                    out.push_str("---\n");
                }
                out.push_str(&to_yaml(&object.body.decode().into_value()));
            }
        }
    }
    out
}
