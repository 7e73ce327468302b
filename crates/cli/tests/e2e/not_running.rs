//! `jackline status` where there is no jackline to ask.

use std::os::unix::net::UnixListener as StdListener;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::program::{Ended, end_of, jackline, run};

async fn status_of(folder: &TempDir) -> Ended {
    run(["status", "--socket", &folder.path().join("s").to_string_lossy()]).await
}

/// `jackline status` against a socket that reads something and answers `answer`.
async fn status_against(answer: &str) -> Ended {
    let folder = TempDir::new().expect("a folder");
    let listener = UnixListener::bind(folder.path().join("s")).expect("a socket");
    let answer = answer.to_owned();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody asks");
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    status_of(&folder).await
}

#[tokio::test]
async fn no_socket_means_not_running_and_says_how_to_start() {
    let folder = TempDir::new().expect("a folder");
    let ended = status_of(&folder).await;
    assert_eq!((ended.code, ended.out.as_str()), (Some(3), ""));
    insta::assert_snapshot!(ended.err.replace(&*folder.path().to_string_lossy(), "/folder"));
}

#[tokio::test]
async fn a_socket_that_a_dead_process_left_behind_means_not_running() {
    let folder = TempDir::new().expect("a folder");
    drop(StdListener::bind(folder.path().join("s")).expect("a socket"));
    let ended = status_of(&folder).await;
    assert_eq!(ended.code, Some(3));
    assert!(
        ended
            .err
            .starts_with("jackline is not running: nobody answers on "),
        "{}",
        ended.err
    );
}

#[tokio::test]
async fn the_environment_names_the_socket_too() {
    let mut command = jackline(["status"]);
    command.env("JACKLINE_SOCKET", "/nowhere/of/mine.sock");
    let ended = end_of(command).await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.err.contains("/nowhere/of/mine.sock"), "{}", ended.err);
}

#[tokio::test]
async fn a_refusal_says_sudo() {
    let ended = status_against("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(ended.code, Some(4));
    assert!(ended.err.contains("sudo jackline status"), "{}", ended.err);
}

#[tokio::test]
async fn strange_answers_are_told_apart_from_a_jackline_that_is_not_running() {
    let answers = [
        "220 mail.example.com ESMTP\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nx",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "",
    ];
    for answer in answers {
        let ended = status_against(answer).await;
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(4), ""),
            "{answer:?}: {}",
            ended.err
        );
        assert!(
            ended.err.starts_with("jackline could not be asked over "),
            "{}",
            ended.err
        );
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let huge = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n{}",
        " ".repeat(9 << 20)
    );
    let ended = status_against(&huge).await;
    assert_eq!(ended.code, Some(4), "{}", ended.err);
}
