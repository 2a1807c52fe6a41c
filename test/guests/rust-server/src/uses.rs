//! What the runtime and the standard library offer, used on a kernel that has to have it all.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::fs;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The sum of the squares below `count`, each from a task of its own.
pub async fn tasks(count: u64) -> Result<u64, Failure> {
    let (sender, mut receiver) = mpsc::channel(16);
    let (start, _) = broadcast::channel::<()>(1);
    let total = Arc::new(Mutex::new(0));
    let few = Arc::new(Semaphore::new(10));
    for number in 0..count {
        let (sender, total, few, mut started) = (sender.clone(), total.clone(), few.clone(), start.subscribe());
        tokio::spawn(async move {
            let _ = started.recv().await;
            let _permit = few.acquire().await;
            sleep(Duration::from_micros(number % 7 * 100)).await;
            let mut total = total.lock().await;
            tokio::task::yield_now().await;
            *total += number * number;
            let _ = sender.send(number * number).await;
        });
    }
    drop(sender);
    let _ = start.send(());
    let mut sum = 0;
    while let Some(number) = receiver.recv().await {
        sum += number;
    }
    let total = *total.lock().await;
    if total == sum {
        Ok(sum)
    } else {
        Err(format!("{total} is not {sum}").into())
    }
}

pub async fn blocking() -> Result<usize, Failure> {
    const PART: u32 = 20_000;
    let is_prime = |number: u32| number > 1 && (2..).take_while(|d| d * d <= number).all(|d| number % d != 0);
    let mut parts = JoinSet::new();
    for part in 0..10 {
        parts.spawn_blocking(move || {
            (part * PART..(part + 1) * PART)
                .filter(|&number| is_prime(number))
                .count()
        });
    }
    Ok(parts.join_all().await.iter().sum())
}

/// Sends each line back in upper case.
async fn shout(stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        writer
            .write_all(format!("{}\n", line.to_uppercase()).as_bytes())
            .await?;
    }
    writer.shutdown().await
}

/// Whether a shouting server answers.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, number: u32) -> std::io::Result<bool> {
    stream
        .write_all(format!("one {number}\ntwo {number}\n").as_bytes())
        .await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer == format!("ONE {number}\nTWO {number}\n"))
}

pub async fn connections() -> Result<String, Failure> {
    const CLIENTS: u32 = 25;
    let path = format!("/tmp/shout-{:?}", std::thread::current().id());
    let _ = fs::remove_file(&path).await;
    let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").await?, UnixListener::bind(&path)?);
    let address = tcp.local_addr()?;
    let server = tokio::spawn(async move {
        let mut served = JoinSet::new();
        for _ in 0..2 * CLIENTS {
            tokio::select! {
                stream = tcp.accept() => { served.spawn(shout(stream?.0)); }
                stream = unix.accept() => { served.spawn(shout(stream?.0)); }
            }
        }
        served.join_all().await.into_iter().collect::<std::io::Result<()>>()
    });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let path = path.clone();
        clients.spawn(async move { ask(TcpStream::connect(address).await?, number).await });
        clients.spawn(async move { ask(UnixStream::connect(path).await?, number).await });
    }
    let answers: Vec<bool> = clients.join_all().await.into_iter().collect::<std::io::Result<_>>()?;
    server.await??;
    fs::remove_file(&path).await?;
    let right = answers.iter().filter(|&&right| right).count();
    Ok(format!("{right} of {} right", answers.len()))
}

pub async fn files() -> Result<String, Failure> {
    let folder = Path::new("/tmp/files");
    fs::create_dir_all(folder.join("deeper")).await?;
    let mut writers = JoinSet::new();
    for number in 0..8_usize {
        let (before, after) = (
            folder.join(format!("{number}.part")),
            folder.join("deeper").join(number.to_string()),
        );
        writers.spawn(async move {
            fs::write(&before, number.to_string().repeat(100_000)).await?;
            fs::rename(before, &after).await?;
            Ok::<_, std::io::Error>(fs::read_to_string(after).await? == number.to_string().repeat(100_000))
        });
    }
    let same = writers
        .join_all()
        .await
        .into_iter()
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut entries = fs::read_dir(folder.join("deeper")).await?;
    let mut bytes = 0;
    while let Some(entry) = entries.next_entry().await? {
        bytes += entry.metadata().await?.len();
    }
    fs::remove_dir_all(folder).await?;
    let missing = fs::metadata(folder).await.map_err(|error| error.kind());
    Ok(format!(
        "{bytes} bytes, same: {}, then {missing:?}",
        same.iter().all(|&same| same)
    ))
}

/// Reads a line, says its length, and waits for the end of its input.
pub async fn be_child() -> Result<(), Failure> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut text = String::new();
    input.read_line(&mut text).await?;
    println!("{}", text.trim().len());
    input.read_to_string(&mut text).await?;
    std::process::exit(9);
}

pub async fn process() -> Result<String, Failure> {
    let spawn = || {
        Command::new(std::env::current_exe()?)
            .arg("child")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
    };
    let mut child = spawn()?;
    let mut input = child.stdin.take().ok_or("the child has no standard input")?;
    input.write_all(b"twenty-three characters\n").await?;
    let output = child.stdout.take().ok_or("the child has no standard output")?;
    let length = BufReader::new(output).lines().next_line().await?.unwrap_or_default();
    let early = child.try_wait()?.is_some();
    drop(input);
    let code = child.wait().await?.code();
    let mut second = spawn()?;
    second.kill().await?;
    let signal = second.wait().await?.signal();
    Ok(format!(
        "{length} characters, ended early: {early}, then {code:?}; killed by {signal:?}"
    ))
}

pub async fn time() -> Result<String, Failure> {
    let began = Instant::now();
    let late = timeout(Duration::from_millis(20), std::future::pending::<()>())
        .await
        .is_err();
    let mut ticks = interval(Duration::from_millis(5));
    for _ in 0..5 {
        ticks.tick().await;
    }
    let enough = began.elapsed() >= Duration::from_millis(40);
    Ok(format!("timed out: {late}, not too early: {enough}"))
}

pub async fn panic() -> String {
    let task = tokio::spawn(async {
        tokio::task::yield_now().await;
        assert!(std::env::args().count() == 0, "on purpose");
    });
    match task.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(()) => "no panic".to_owned(),
        Err(Ok(payload)) => format!(
            "caught: {}",
            payload.downcast_ref::<&str>().unwrap_or(&"something else")
        ),
        Err(Err(error)) => error.to_string(),
    }
}
