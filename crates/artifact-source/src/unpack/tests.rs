use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

use super::*;

/// An entry: what it is, its path, and its content or target.
type Entry<'a> = (EntryType, &'a str, &'a [u8]);

fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, path, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        // Written as it is: the library's own setters refuse what an attacker does not.
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        header.set_size(if is_link { 0 } else { content.len() as u64 });
        if is_link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content);
        }
        header.set_cksum();
        builder.append(&header, if is_link { &b""[..] } else { content }).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn options() -> ArtifactOptions {
    ArtifactOptions { extracted_bytes: 10_000, entries: 5, ..ArtifactOptions::new(Path::new("none")) }
}

/// Unpacks; says the paths, or the error.
fn unpacked(bytes: &[u8], layout: Layout) -> Result<String, String> {
    let files = unpack("web 1.0.0", bytes, layout, &options()).map_err(|error| error.to_string())?;
    Ok(files.keys().cloned().collect::<Vec<_>>().join(" "))
}

const CHART: Entry<'_> = (EntryType::Regular, "web/Chart.yaml", b"name: web\n");

#[test]
fn the_directory_of_a_chart_is_its_root() {
    let bytes = archive(&[
        (EntryType::Directory, "web/", b""),
        CHART,
        (EntryType::Regular, "./web/templates/a.yaml", b"a: b\n"),
        (EntryType::Regular, "README", b""),
        (EntryType::Symlink, "web/link", b"templates/a.yaml"),
    ]);
    assert_eq!(unpacked(&bytes, Layout::Chart), Ok("Chart.yaml link templates/a.yaml".to_owned()));
    let whole = "README web/Chart.yaml web/link web/templates/a.yaml";
    assert_eq!(unpacked(&bytes, Layout::Whole), Ok(whole.to_owned()));
    // A later entry takes the place of an earlier one; archives need not be compressed.
    let twice = archive(&[CHART, (EntryType::Regular, "web/Chart.yaml", b"name: other\n")]);
    let mut plain = Vec::new();
    MultiGzDecoder::new(&twice[..]).read_to_end(&mut plain).unwrap();
    let files = unpack("web", &plain, Layout::Chart, &options()).unwrap();
    assert_eq!(files["Chart.yaml"].content, b"name: other\n");
}

#[test]
fn what_leads_elsewhere_is_refused_by_name() {
    for (entry, problem) in [
        ((EntryType::Regular, "../x", &b""[..]), "leads out of the archive"),
        ((EntryType::Regular, "web/../../x", b""), "leads out of the archive"),
        ((EntryType::Regular, "/etc/passwd", b""), "has an absolute path, or one of another system"),
        ((EntryType::Regular, "c:/x", b""), "has an absolute path, or one of another system"),
        ((EntryType::Regular, "web\\..\\x", b""), "has an absolute path, or one of another system"),
        ((EntryType::Symlink, "web/out", b"../../x"), "is a link that leads out of the archive"),
        ((EntryType::Symlink, "web/out", b"/etc/passwd"), "is a link that leads out of the archive"),
        ((EntryType::Symlink, "web/a/out", b"x/../../../../web"), "is a link that leads out of the archive"),
        ((EntryType::Link, "web/hard", b"web/Chart.yaml"), "is a hard link"),
        ((EntryType::Char, "web/null", b""), "is neither a file nor a directory nor a link"),
        ((EntryType::Fifo, "web/pipe", b""), "is neither a file nor a directory nor a link"),
        ((EntryType::Regular, "web/Chart.yaml/x", b""), "lies below a file or link"),
    ] {
        let error = unpacked(&archive(&[CHART, entry]), Layout::Whole).unwrap_err();
        assert!(error.starts_with("web 1.0.0: the archive's entry \""), "{error}");
        assert!(error.contains(&format!("{problem}; pack it again without")), "{entry:?}: {error}");
    }
}

#[test]
fn archives_that_grow_are_stopped() {
    let zeros = vec![0; 20_000];
    let large = archive(&[CHART, (EntryType::Regular, "web/zeros", &zeros)]);
    let error = "web 1.0.0: the archive holds more than 10000 bytes; make it smaller";
    assert_eq!(unpacked(&large, Layout::Chart), Err(error.to_owned()));
    // A sparse or broken header may promise nothing: what comes out counts.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..2_000 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 100_000);
    assert!(unpacked(&bomb, Layout::Whole).is_err() || unpacked(&bomb, Layout::Whole) == Ok(String::new()));
    let many: Vec<String> = (0..10).map(|index| format!("web/{index}")).collect();
    let many: Vec<Entry<'_>> = many.iter().map(|path| (EntryType::Regular, path.as_str(), &b""[..])).collect();
    let error = "web 1.0.0: the archive holds more than 5 files and directories; make it smaller";
    assert_eq!(unpacked(&archive(&many), Layout::Whole), Err(error.to_owned()));
}

#[test]
fn what_is_no_chart_is_said() {
    let error = unpacked(&archive(&[(EntryType::Regular, "web/values.yaml", b"")]), Layout::Chart).unwrap_err();
    assert!(error.ends_with("it has no Chart.yaml in a directory at its top, so it is no chart"), "{error}");
    for damaged in [&b"not an archive"[..], &archive(&[CHART])[..40]] {
        assert!(unpacked(damaged, Layout::Chart).unwrap_err().starts_with("web 1.0.0: the archive"), "{damaged:?}");
    }
}
