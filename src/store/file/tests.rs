//! The SQLite file: new, plain, under another key, and while somebody else has it open.

use super::*;
use crate::store::Store;

/// A directory of its own, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("anshin-file-{}", crate::store::random_id()));
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.join("anshin.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    /// The names of its files.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A database as versions had it that encrypted none, with rows in its WAL, as a crash leaves it.
    async fn plain(&self, rows: usize) {
        let made = self.0.join("made.db");
        let options = SqliteConnectOptions::new().filename(&made).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        let text = "PRAGMA journal_mode = WAL; CREATE TABLE mail (id INTEGER PRIMARY KEY, text BLOB);";
        sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
        for id in 0..rows {
            let row = sqlx::query("INSERT INTO mail VALUES ($1, $2)").bind(i64::try_from(id).unwrap());
            row.bind("a canary".repeat(200)).execute(&mut connection).await.unwrap();
        }
        for end in ["", "-wal"] {
            fs::copy(beside(&made, end), beside(&self.path(), end)).unwrap();
        }
        connection.close().await.unwrap();
        fs::remove_file(&made).unwrap();
        assert!(fs::metadata(beside(&self.path(), "-wal")).unwrap().len() > 0);
    }

    fn holds(&self, text: &str) -> bool {
        self.names().iter().any(|name| {
            memchr::memmem::find(&fs::read(self.0.join(name)).unwrap(), text.as_bytes()).is_some()
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn count(path: &Path, keys: &FileKeys) -> i64 {
    let mut connection = connect_for_tests(path, keys).await;
    let count = sqlx::query("SELECT COUNT(*) FROM mail").fetch_one(&mut connection).await.unwrap().get(0);
    connection.close().await.unwrap();
    count
}

#[tokio::test]
async fn a_new_file_is_encrypted_from_its_first_page_on_and_opens_with_its_key_alone() {
    let scratch = Scratch::new();
    let keys = FileKeys::for_tests('a', 1);
    let store = Store::open(&scratch.url(), &keys).await.unwrap();
    assert_eq!(store.file_key(), Some('a'));
    assert!(fs::metadata(beside(&scratch.path(), "-wal")).unwrap().len() > 0);
    assert!(!scratch.holds("SQLite format 3") && !scratch.holds("CREATE TABLE"));
    drop(store);
    let other = Store::open(&scratch.url(), &FileKeys::for_tests('b', 2)).await.err();
    assert_eq!(other, Some(StoreFault::OtherFileKey("file-b".into())));
    assert!(other.unwrap().to_string().contains("no file key of this key ring opens the database file"));
    assert_eq!(Store::open(&scratch.url(), &FileKeys::default()).await.err(), Some(StoreFault::NoFileKey));
    assert!(Store::open(&scratch.url(), &keys).await.is_ok());
}

#[tokio::test]
async fn processes_that_start_at_once_make_one_file() {
    let scratch = Scratch::new();
    let keys = FileKeys::for_tests('a', 1);
    let path = scratch.path();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let (path, keys) = (path.clone(), keys.clone());
            tokio::spawn(async move {
                let file = DatabaseFile::claim(&path, &keys).await?;
                Ok::<_, StoreFault>((file, opens(&path, keys.newest()).await?))
            })
        })
        .collect();
    for start in starts {
        assert!(matches!(start.await.unwrap(), Ok((_, true))));
    }
}

#[tokio::test]
async fn a_plain_file_is_encrypted_whole_with_what_stood_in_its_wal_and_nothing_plain_is_left() {
    let scratch = Scratch::new();
    scratch.plain(50).await;
    // As a start leaves it that was killed.
    fs::write(beside(&scratch.path(), "-unfinished"), "a canary").unwrap();
    fs::write(beside(&scratch.path(), "-unfinished-journal"), "a canary").unwrap();
    fs::set_permissions(scratch.path(), std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let old = File::open(scratch.path()).unwrap();
    assert!(scratch.holds("a canary"));
    let keys = FileKeys::for_tests('a', 1);
    let file = DatabaseFile::claim(&scratch.path(), &keys).await.unwrap();
    assert_eq!(file.key_name(), 'a');
    assert_eq!(count(&scratch.path(), &keys).await, 50);
    assert!(!scratch.holds("a canary"));
    assert_eq!(scratch.names(), ["anshin.db", "anshin.db-lock"]);
    assert_eq!(fs::metadata(scratch.path()).unwrap().mode() & 0o777, 0o640);
    // Who still has the old file finds no database in it.
    let mut head = [0; 16];
    std::os::unix::fs::FileExt::read_exact_at(&old, &mut head, 0).unwrap();
    assert_eq!(head, [b'#'; 16]);
}

#[tokio::test]
async fn a_plain_file_that_another_process_has_open_is_left_as_it_is() {
    let scratch = Scratch::new();
    scratch.plain(3).await;
    // An older version, which knows no lock of ours.
    let mut other = connect(&scratch.path(), None).await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM mail").fetch_one(&mut other).await.unwrap();
    let keys = FileKeys::for_tests('a', 1);
    let refused = DatabaseFile::claim(&scratch.path(), &keys).await.err();
    assert_eq!(refused, Some(StoreFault::PlainFileInUse));
    sqlx::query("INSERT INTO mail VALUES (100, 'x')").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert!(DatabaseFile::claim(&scratch.path(), &keys).await.is_ok());
    assert_eq!(count(&scratch.path(), &keys).await, 4);
}

#[tokio::test]
async fn a_file_comes_to_the_newest_key_while_nobody_has_it_open_and_stays_with_the_old_one_otherwise() {
    let scratch = Scratch::new();
    scratch.plain(20).await;
    let (old, new) = (FileKeys::for_tests('a', 1), FileKeys::for_tests('b', 2));
    let both = new.clone().with(&old);
    let file = DatabaseFile::claim(&scratch.path(), &old).await.unwrap();
    assert_eq!(bring_to_newest_key(&scratch.url(), &both).await, Ok(Brought::InUse));
    let mut reader = connect_for_tests(&scratch.path(), &old).await;
    let text = "PRAGMA journal_mode = WAL; SELECT COUNT(*) FROM mail";
    sqlx::raw_sql(text).execute(&mut reader).await.unwrap();
    drop(file);
    assert_eq!(
        bring_to_newest_key(&scratch.url(), &both).await,
        Ok(Brought::InUse),
        "a reader without our lock"
    );
    reader.close().await.unwrap();
    assert_eq!(bring_to_newest_key(&scratch.url(), &both).await, Ok(Brought::Rewritten));
    assert_eq!(bring_to_newest_key(&scratch.url(), &both).await, Ok(Brought::IsNewest));
    assert_eq!(DatabaseFile::claim(&scratch.path(), &both).await.unwrap().key_name(), 'b');
    assert_eq!(count(&scratch.path(), &new).await, 20);
    assert!(matches!(DatabaseFile::claim(&scratch.path(), &old).await, Err(StoreFault::OtherFileKey(_))));
    assert_eq!(bring_to_newest_key("sqlite::memory:", &both).await, Ok(Brought::IsNewest));
    assert_eq!(bring_to_newest_key("postgres://127.0.0.1/x", &both).await, Ok(Brought::IsNewest));
}

#[tokio::test]
async fn a_copy_made_by_vacuum_into_and_temporary_tables_are_encrypted_too() {
    let scratch = Scratch::new();
    scratch.plain(20).await;
    let keys = FileKeys::for_tests('a', 1);
    let _file = DatabaseFile::claim(&scratch.path(), &keys).await.unwrap();
    let mut connection = connect_for_tests(&scratch.path(), &keys).await;
    let backup = scratch.0.join("backup.db");
    sqlx::query("VACUUM INTO $1").bind(backup.display().to_string()).execute(&mut connection).await.unwrap();
    assert_eq!(count(&backup, &keys).await, 20);
    assert!(!scratch.holds("a canary") && !scratch.holds("SQLite format 3"));
}

#[test]
fn where_there_is_no_room_for_the_file_once_more_it_is_said_how_much_it_takes() {
    let scratch = Scratch::new();
    assert_eq!(room_for(&scratch.0, MIB), Ok(()));
    let fault = room_for(&scratch.0, (8 << 40) + 1).unwrap_err();
    let StoreFault::NoRoom { needs, free } = fault else { panic!("{fault}") };
    assert!(needs == (8 << 20) + 1 && free < needs && free > 0, "{fault}");
    assert!(fault.to_string().contains("takes 8388609 MiB"), "{fault}");
}
