use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::stream::{self, Stream};
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinHandle;

use super::dockerignore::{Dockerignore, MAX_SIZE, Matches};

/// What a Dockerfile from outside the context is called inside it.
const OUTSIDE: &str = ".pipeline.Dockerfile";

/// Every file's time: the same inputs make the same archive, whenever they were checked out. The earliest time that
/// a ZIP archive can hold, 1980-01-01, so that programs in the image that make one don't fail.
const TIME: u64 = 315_532_800;

/// How much of the archive is handed over at once.
const CHUNK: usize = 256 * 1024;

/// The files that are sent to Docker Engine.
#[derive(Debug)]
pub struct Context {
    dockerfile: String,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Where it is in the archive.
    name: PathBuf,
    /// Where it is on disk.
    source: PathBuf,
}

impl Context {
    /// Finds the files below `root` that `.dockerignore` does not leave out. The Dockerfile and the ignore file are
    /// always among them; a `<Dockerfile>.dockerignore` beside the Dockerfile is used instead of the root's.
    ///
    /// Sockets, pipes and devices are passed over.
    ///
    /// # Errors
    /// If a directory, the Dockerfile or the ignore file can't be read.
    pub fn read(root: &Path, dockerfile: &Path) -> io::Result<Self> {
        let root = root.canonicalize().map_err(|error| at(root, &error))?;
        let dockerfile = dockerfile.canonicalize().map_err(|error| at(dockerfile, &error))?;
        let mut entries = Vec::new();
        let ignore = ignore(&root, &dockerfile)?;
        walk(&root, Path::new(""), &ignore, &Matches::default(), &mut entries)?;
        let name = dockerfile.strip_prefix(&root).unwrap_or(Path::new(OUTSIDE)).to_owned();
        always(&mut entries, name.clone(), dockerfile);
        if root.join(".dockerignore").is_file() {
            always(&mut entries, ".dockerignore".into(), root.join(".dockerignore"));
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { dockerfile: name.to_string_lossy().into_owned(), entries })
    }

    /// The Dockerfile's place in the archive.
    #[must_use]
    pub fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Writes the files as a tar archive: sorted, with one time and one owner, links as links, and of the
    /// permissions only what git keeps too, whether a file can be executed.
    ///
    /// # Errors
    /// If a file can't be read, or the archive can't be written.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = Builder::new(out);
        for entry in &self.entries {
            append(&mut archive, entry).map_err(|error| at(&entry.source, &error))?;
        }
        archive.into_inner()?.flush()
    }
}

fn ignore(root: &Path, dockerfile: &Path) -> io::Result<Dockerignore> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(".dockerignore");
    for path in [PathBuf::from(own), root.join(".dockerignore")] {
        match read_ignore(&path) {
            Ok(text) => return Dockerignore::parse(&text).map_err(|error| at(&path, &format!("{error:#}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(&path, &error)),
        }
    }
    Ok(Dockerignore::default())
}

/// A file, and not a very large one: a link may lead to anything.
fn read_ignore(path: &Path) -> io::Result<String> {
    let metadata = path.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_SIZE as u64 {
        return Err(io::Error::other(format!("is no file of at most {MAX_SIZE} bytes")));
    }
    fs::read_to_string(path)
}

fn walk(
    root: &Path,
    directory: &Path,
    ignore: &Dockerignore,
    above: &Matches,
    entries: &mut Vec<Entry>,
) -> io::Result<()> {
    let path = root.join(directory);
    for child in fs::read_dir(&path).map_err(|error| at(&path, &error))? {
        let child = child.map_err(|error| at(&path, &error))?;
        let (name, kind) = (directory.join(child.file_name()), child.file_type()?);
        let matches = ignore.matches(&name, above);
        let before = entries.len();
        if kind.is_dir() && (!matches.excluded || ignore.may_keep_below(&name)) {
            walk(root, &name, ignore, &matches, entries)?;
        }
        // A directory that is left out comes along if something in it does not stay behind.
        let needed = !matches.excluded || entries.len() > before;
        if needed && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
            entries.push(Entry { name, source: child.path() });
        }
    }
    Ok(())
}

fn always(entries: &mut Vec<Entry>, name: PathBuf, source: PathBuf) {
    if entries.iter().all(|entry| entry.name != name) {
        entries.push(Entry { name, source });
    }
}

fn append<W: Write>(archive: &mut Builder<W>, entry: &Entry) -> io::Result<()> {
    let metadata = entry.source.symlink_metadata()?;
    let mut header = header(&metadata);
    if metadata.is_symlink() {
        return archive.append_link(&mut header, &entry.name, fs::read_link(&entry.source)?);
    }
    if metadata.is_dir() {
        return archive.append_data(&mut header, &entry.name, io::empty());
    }
    let mut file = File::open(&entry.source)?.take(metadata.len());
    archive.append_data(&mut header, &entry.name, &mut file)?;
    if file.limit() == 0 { Ok(()) } else { Err(io::Error::other("became shorter while it was read")) }
}

fn header(metadata: &Metadata) -> Header {
    use std::os::unix::fs::PermissionsExt as _;
    let executable = metadata.is_dir() || metadata.permissions().mode() & 0o111 != 0;
    let mut header = Header::new_gnu();
    header.set_entry_type(match () {
        () if metadata.is_symlink() => EntryType::Symlink,
        () if metadata.is_dir() => EntryType::Directory,
        () => EntryType::Regular,
    });
    header.set_size(if metadata.is_file() { metadata.len() } else { 0 });
    header.set_mode(if executable { 0o755 } else { 0o644 });
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The archive as a stream of its bytes, and the task that writes it. The task ends with a broken pipe when the stream
/// is dropped before its end.
pub(super) fn stream(
    context: Context,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, JoinHandle<io::Result<()>>) {
    let (sender, mut receiver) = mpsc::channel(4);
    let writing = tokio::task::spawn_blocking(move || {
        let result = context.write(BufWriter::with_capacity(CHUNK, Chunks(sender.clone())));
        if let Err(error) = &result {
            // Without it the engine would take what it got for the whole.
            let _ = sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string())));
        }
        result
    });
    (stream::poll_fn(move |cx| receiver.poll_recv(cx)), writing)
}

/// Hands on what is written, and waits while the other end is busy.
struct Chunks(Sender<io::Result<Bytes>>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn at(path: &Path, error: &impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
