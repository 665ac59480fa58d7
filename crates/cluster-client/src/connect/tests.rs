use std::io::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

fn kubeconfig(server: &str, extra: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(
        file,
        r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{{"name": "c", "context": {{"cluster": "k", "user": "u", "namespace": "team-a"}}}}],
            "clusters": [{{"name": "k", "cluster": {{"server": "{server}"{extra}}}}}],
            "users": [{{"name": "u", "user": {{"token": "secret-token"}}}}]}}"#
    )
    .unwrap();
    file
}

fn options(file: &tempfile::NamedTempFile) -> ConnectOptions {
    ConnectOptions { kubeconfig: Some(file.path().to_owned()), ..ConnectOptions::default() }
}

#[tokio::test]
async fn a_kubeconfig_leads_to_the_server_with_its_token_over_one_kept_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (mut heads, mut buffer) = (Vec::new(), vec![0; 4096]);
        while heads.len() < 2 {
            let read = socket.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0, "the connection is kept for the next request");
            heads.push(String::from_utf8(buffer[..read].to_vec()).unwrap());
            socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 18\r\n\r\n404 page not found").await.unwrap();
        }
        heads
    });
    let file = kubeconfig(&format!("http://{address}/prefix/"), "");
    let cluster = Cluster::connect(&options(&file)).await.unwrap();
    assert_eq!(cluster.server(), format!("http://{address}/prefix"));
    assert_eq!(cluster.default_namespace(), "team-a");
    let resource = crate::scripted::config_maps();
    let at = crate::ObjectRef { resource: &resource, namespace: "shop", name: "web" };
    for _ in 0..2 {
        assert!(cluster.get(at, crate::Detail::Full).await.unwrap_err().is_unknown_kind());
    }
    let heads = server.await.unwrap();
    assert!(heads[0].starts_with("GET /prefix/api/v1/namespaces/shop/configmaps/web HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].contains("\r\nauthorization: Bearer secret-token\r\n"), "{}", heads[1]);
}

#[tokio::test]
async fn a_refused_connection_is_an_error_with_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let cluster = Cluster::connect(&options(&kubeconfig(&format!("http://{address}"), ""))).await.unwrap();
    let error = cluster.discover().await.unwrap_err();
    assert!(error.message.starts_with(&format!("no answer from http://{address} to GET /api: ")), "{}", error.message);
    assert!(error.message.to_lowercase().contains("connection refused"), "{}", error.message);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_says_what_to_do() {
    let missing = ConnectOptions { kubeconfig: Some("/nonexistent/config".into()), ..ConnectOptions::default() };
    let context = |file| ConnectOptions { context: Some("other".to_owned()), ..options(file) };
    let (plain, proxied) = (kubeconfig("http://x", ""), kubeconfig("http://x", r#", "proxy-url": "http://p:1""#));
    let certificate = kubeconfig("https://x", r#", "certificate-authority-data": "AAAA""#);
    let mut broken = tempfile::NamedTempFile::new().unwrap();
    broken.write_all(b"clusters: [").unwrap();
    for (options, expected) in [
        (missing, &["/nonexistent/config", "--kubeconfig"][..]),
        (options(&broken), &["cannot be used", "correct the file"]),
        (context(&plain), &["other", "correct the file"]),
        (options(&proxied), &["proxy-url", "remove it"]),
        (options(&certificate), &["certificate"]),
    ] {
        let error = Cluster::connect(&options).await.unwrap_err().to_string();
        assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        assert!(!error.contains("secret-token"), "{error}");
    }
}
