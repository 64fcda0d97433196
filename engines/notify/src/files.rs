//! Template files.

use std::io::Read;
use std::path::{Path, PathBuf};

use quarterdeck_kernel::Diagnostic;
use quarterdeck_templates::notification::Templates;
use quarterdeck_templates::{MAX_TEMPLATE, glob};

/// The default templates with those of files, whose paths may be patterns; later ones replace earlier ones. As in
/// Alertmanager a pattern that names no file is no mistake. Blocks.
///
/// # Errors
/// All files that cannot be read or are not templates, each with its place.
pub fn load_templates(paths: &[PathBuf]) -> Result<Templates, Vec<Diagnostic>> {
    let mut templates = Templates::default();
    let mut mistakes = Vec::new();
    for pattern in paths {
        let literal = !glob::is_pattern(&pattern.to_string_lossy());
        let found = if literal && pattern.is_file() { vec![pattern.clone()] } else { glob::expand(pattern) };
        for path in found {
            if let Err(mistake) = add(&mut templates, &path) {
                mistakes.push(mistake);
            }
        }
    }
    if mistakes.is_empty() { Ok(templates) } else { Err(mistakes) }
}

fn add(templates: &mut Templates, path: &Path) -> Result<(), Diagnostic> {
    let source = path.display().to_string();
    let unreadable = |why: String| Diagnostic {
        source: source.clone(),
        ..Diagnostic::new(format!("the template file cannot be read: {why}"))
    };
    let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
    let mut text = String::new();
    file.take(MAX_TEMPLATE as u64 + 1).read_to_string(&mut text).map_err(|e| unreadable(e.to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    templates
        .add(&name, &text)
        .map_err(|error| Diagnostic::new(error.reason).at(source.clone(), &text, error.at..error.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_pattern_and_mistakes_have_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("a.tmpl", "{{ define \"a\" }}1{{ end }}");
        write("b.tmpl", "{{ define \"a\" }}2{{ end }}");
        let pattern = [dir.path().join("*.tmpl"), dir.path().join("none*")];
        let templates = load_templates(&pattern).unwrap();
        let data = quarterdeck_templates::Value::Nil;
        assert_eq!(
            templates.text("{{ template \"a\" . }}", &data, jiff::Timestamp::UNIX_EPOCH).unwrap(),
            "2"
        );
        write("c.tmpl", "x\n  {{ nothing }}");
        let mistakes = load_templates(&pattern).unwrap_err();
        assert_eq!((mistakes.len(), mistakes[0].line), (1, 2));
        assert!(mistakes[0].to_string().contains("c.tmpl:2:"), "{}", mistakes[0]);
        assert!(mistakes[0].message.contains("function \"nothing\" not defined"), "{}", mistakes[0]);
    }
}
