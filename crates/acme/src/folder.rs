//! Where accounts, keys and certificates are kept: for their owner alone, and replaced in one
//! moment, so that a crash leaves the old or the new.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use evenkeel_plan::{Acme, Challenge};

/// Makes the folders of an authority, and sees that files can be written there.
///
/// # Errors
/// What is wrong with which folder, and what to do.
pub fn prepare(acme: &Acme) -> Result<(), String> {
    let home = acme.home();
    for folder in [&acme.folder, &home] {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(|why| unusable(folder, &why))?;
        private(folder)?;
    }
    let probe = home.join(".writable");
    write(&probe, b"").map_err(|why| unusable(&home, &why))?;
    // That it could be made is all that was asked.
    let _ = fs::remove_file(probe);
    Ok(())
}

/// What can be seen to be wrong without asking anybody or changing anything.
pub fn check(acme: &Acme) -> Vec<String> {
    let mut found = Vec::new();
    let wrong = |why: String| format!("authority \"{}\": {why}", acme.name);
    for folder in [&acme.folder, &acme.home()] {
        found.extend(private(folder).err().map(wrong));
    }
    found.extend(evenkeel_tls::authority_client(acme.ca.as_deref()).err().map(wrong));
    if let Some(hook) = acme.dns.as_ref().filter(|_| acme.challenge == Challenge::Dns01)
        && let Some(program) = hook.command.first()
        && !can_run(program)
    {
        found.push(wrong(format!(
            "{program} cannot be run\n  help: name a program with its path, and make it \
             executable: chmod +x"
        )));
    }
    found
}

fn can_run(program: &str) -> bool {
    let runs = |path: &Path| {
        fs::metadata(path).is_ok_and(|at| at.is_file() && at.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return runs(Path::new(program));
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&places).any(|place| runs(&place.join(program)))
}

/// A folder that is there must be one, and for its owner alone.
fn private(folder: &Path) -> Result<(), String> {
    let at = match fs::metadata(folder) {
        Ok(at) => at,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(unusable(folder, &why)),
    };
    if !at.is_dir() {
        return Err(format!("{}: is no folder\n  help: name another `folder`", folder.display()));
    }
    let mode = at.permissions().mode() & 0o777;
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(format!(
            "{}: others than its owner can use this folder of keys (mode {mode:04o})\n  help: \
             chmod 700 {}",
            folder.display(),
            folder.display()
        )),
    }
}

fn unusable(folder: &Path, why: &io::Error) -> String {
    format!(
        "{}: keys and certificates cannot be kept there: {why}\n  help: the user that this process \
         runs as must be able to write there; `folder` in [[acme]] names another place",
        folder.display()
    )
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, "new");
    let made = || -> io::Result<()> {
        // What a crash left behind may be in the way, with other rights.
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    made()?;
    rename(&new, path)
}

/// Puts a file in the place of another, for good.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// `NAME.WORD` for a file `NAME`.
pub(crate) fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    PathBuf::from(name)
}

/// How often an order failed in a row; kept beside its file, so that a process that is started again
/// and again does not ask again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Failures {
    /// How often.
    pub count: u32,
    /// When it did last, as Unix time in seconds.
    pub last: u64,
    /// The authority was asked too often.
    pub limited: bool,
}

impl Failures {
    /// Of the certificate of that file.
    pub fn read(file: &Path) -> Failures {
        let text = fs::read_to_string(beside(file, "failed")).unwrap_or_default();
        let mut words = text.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
        let (count, last, limited) = (number(), number(), number() != 0);
        Failures { count: u32::try_from(count).unwrap_or(u32::MAX), last, limited }
    }

    /// Remembers them; none are forgotten. That it cannot be written is said by the next order.
    pub fn keep(&self, file: &Path) {
        let kept = beside(file, "failed");
        let _ = match self.count {
            0 => fs::remove_file(kept),
            count => {
                let text = format!("{count} {} {}\n", self.last, u8::from(self.limited));
                write(&kept, text.as_bytes())
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_plan::Name;

    fn acme(folder: &Path) -> Acme {
        let mut acme = Acme::new(Name::new("default").unwrap());
        acme.folder = folder.to_owned();
        acme
    }

    #[test]
    fn folders_are_made_for_their_owner_alone_and_others_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let acme = acme(&place.path().join("a/b"));
        prepare(&acme).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&acme.folder), 0o700);
        assert_eq!(mode(&acme.home()), 0o700);
        let file = acme.home().join("x.pem");
        write(&file, b"one").unwrap();
        write(&file, b"two").unwrap();
        assert_eq!((mode(&file), fs::read(&file).unwrap()), (0o600, b"two".to_vec()));
        fs::set_permissions(&acme.folder, fs::Permissions::from_mode(0o755)).unwrap();
        let told = prepare(&acme).unwrap_err();
        assert!(told.contains("(mode 0755)") && told.contains("chmod 700"), "{told}");
    }

    #[test]
    fn failures_outlive_the_process() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("x.pem");
        assert_eq!(Failures::read(&file), Failures::default());
        let failures = Failures { count: 3, last: 1_700_000_000, limited: true };
        failures.keep(&file);
        assert_eq!(Failures::read(&file), failures);
        Failures::default().keep(&file);
        assert_eq!(Failures::read(&file), Failures::default());
    }
}
