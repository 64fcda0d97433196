//! The step between the console and a process whose use is limited: the console's own program, which limits itself and then
//! becomes the process. So the limits are in force before the first of its instructions, and a program that was started with
//! them cannot take more for itself or for what it starts.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::system::limit_own;
use crate::config::LimitsConfig;

/// The command of the console's program that runs [`become_process`] with what follows it.
pub const COMMAND: &str = "launch";

/// The words that go before a program: its limits.
pub(super) fn words(limits: &LimitsConfig) -> Vec<String> {
    let most = |most: Option<u64>| most.map_or_else(|| "-".to_owned(), |most| most.to_string());
    let LimitsConfig { memory, files, file_bytes, nice } = limits;
    vec![COMMAND.to_owned(), most(*memory), most(*files), most(*file_bytes), nice.to_string()]
}

fn read(words: &[&str]) -> Option<LimitsConfig> {
    let [memory, files, file_bytes, nice] = words else { return None };
    let most = |word: &str| if word == "-" { Some(None) } else { word.parse().ok().map(Some) };
    Some(LimitsConfig {
        memory: most(memory)?,
        files: most(files)?,
        file_bytes: most(file_bytes)?,
        nice: nice.parse().ok()?,
    })
}

/// Limits this process as the first four words say and becomes the program that the rest names. Comes back only when that
/// fails, with the reason in words. A limit that the system refuses is told and does not stop it.
#[must_use]
pub fn become_process(words: &[OsString]) -> String {
    let texts: Vec<&str> = words.iter().take(4).filter_map(|word| word.to_str()).collect();
    let (Some(limits), Some(program)) = (read(&texts), words.get(4)) else {
        return "the limits cannot be read: this command is for the console's own use".to_owned();
    };
    for failed in limit_own(&limits) {
        eprintln!("{failed}");
    }
    let error = Command::new(program).args(&words[5..]).exec();
    format!("{} cannot be started: {error}", Path::new(program).display())
}

/// Whether a program can be found: a path as it is, a bare name in the folders of `path`.
pub(super) fn finds(program: &Path, path: Option<&OsStr>) -> bool {
    if program.components().count() > 1 || program.is_absolute() {
        return program.is_file();
    }
    let folders: Vec<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    folders.iter().any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_the_way_through_words() {
        for limits in [
            LimitsConfig::default(),
            LimitsConfig { memory: Some(1 << 30), files: Some(64), file_bytes: Some(0), nice: 19 },
        ] {
            let words = words(&limits);
            assert_eq!(words[0], COMMAND);
            let texts: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            assert_eq!(read(&texts), Some(limits));
        }
        assert_eq!(read(&["-", "-", "-"]), None);
        assert_eq!(read(&["-", "many", "-", "0"]), None);
        assert!(become_process(&["-".into()]).contains("cannot be read"));
    }

    #[test]
    fn a_program_is_found_in_the_path_or_as_it_is() {
        let path = Some(OsStr::new("/usr/bin:/bin"));
        assert!(finds(Path::new("sh"), path) && finds(Path::new("/bin/sh"), None));
        assert!(!finds(Path::new("sh"), None) && !finds(Path::new("/no/such/program"), path));
        assert!(!finds(Path::new("no-such-program-anywhere"), path));
    }
}
