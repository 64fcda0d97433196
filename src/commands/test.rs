//! `quarterdeck test`: conformance files.

use crate::cli::TestCommand;
use crate::exit::Failure;

/// Runs the command.
///
/// # Errors
/// When the files cannot be read or a case fails.
pub fn run(command: &TestCommand) -> Result<(), Failure> {
    match command {
        TestCommand::Promql { dir } => {
            let summary = quarterdeck_promql::testing::run_dir(dir)
                .map_err(|e| Failure::Failed(format!("{}: {e}", dir.display())))?;
            print!("{summary}");
            if summary.failed() > 0 {
                return Err(Failure::NotRight(format!("{} cases fail", summary.failed())));
            }
            Ok(())
        }
        TestCommand::Rules { files } => {
            let mut failed = 0;
            for file in files {
                let report = quarterdeck_rules::unittest::run_file(file);
                print!("{report}");
                failed += usize::from(!report.passed());
            }
            match failed {
                0 => Ok(()),
                n => Err(Failure::NotRight(format!("{n} of {} files fail", files.len()))),
            }
        }
    }
}
