//! Plants each defect of `tests/defects.toml`, one after the other, in a copy of the tree under `target/planted-defects`,
//! and checks that a test finds it.
//!
//! A trial fails when its defect does not apply, does not compile or is found by no test, and when the tests fail without
//! a defect. Without `TONGBAN_DEFECTS=plant` a trial only checks that its defect applies to the tree.

#![allow(clippy::print_stderr, reason = "a harness prints its errors")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;
use tongban_tests::defects::{Defect, LIST, all};
use tongban_tests::planting::{Outcome, TreeCopy};
use tongban_tests::progress::say;
use tongban_tests::repository::text;

/// The environment variable that makes the trials plant their defects.
const VARIABLE: &str = "TONGBAN_DEFECTS";
/// Fewest defects of the list.
const DEFECTS: usize = 30;

/// The copy, and the outcome of each selection of tests without a defect.
struct Field {
    runtime: Runtime,
    copy: TreeCopy,
    sound: BTreeMap<String, Outcome>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The trials share the copy.
    arguments.test_threads = Some(1);
    let plants = std::env::var(VARIABLE).is_ok_and(|value| value == "plant");
    match trials(plants) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("{LIST}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn trials(plants: bool) -> Result<Vec<Trial>, String> {
    let defects = all()?;
    if defects.len() < DEFECTS {
        return Err(format!("{} defects instead of {DEFECTS} or more", defects.len()));
    }
    let runs: Vec<&str> =
        defects.chunk_by(|a, b| a.tests == b.tests).map(|run| run[0].tests.as_str()).collect();
    if let Some(tests) =
        runs.iter().enumerate().find_map(|(index, tests)| runs[..index].contains(tests).then_some(tests))
    {
        return Err(format!("the defects with the tests `{tests}` do not stand together"));
    }
    let field: Arc<Mutex<Option<Field>>> = Arc::default();
    let trial = |defect: Defect| {
        let field = field.clone();
        Trial::test(defect.name.clone(), move || {
            let planted = defect.planted(&text(&defect.file))?;
            if plants { plant(&field, &defect, &planted) } else { Ok(()) }
        })
    };
    Ok(defects.into_iter().map(trial).collect())
}

/// Plants one defect and removes it again.
fn plant(field: &Mutex<Option<Field>>, defect: &Defect, planted: &str) -> Result<(), Failed> {
    let mut field = field.lock().unwrap_or_else(PoisonError::into_inner);
    let Field { runtime, copy, sound } = match &mut *field {
        Some(field) => field,
        none => none.insert(open()?),
    };
    if !sound.contains_key(&defect.tests) {
        say(&format!("without a defect: cargo test {}", defect.tests));
        let outcome = runtime.block_on(copy.test(defect.arguments()))?;
        sound.insert(defect.tests.clone(), outcome);
    }
    if let Some(outcome) = sound.get(&defect.tests).filter(|outcome| **outcome != Outcome::Passed) {
        return Err(
            format!("cargo test {} does not pass without the defect: {outcome:?}", defect.tests).into()
        );
    }
    let begun = Instant::now();
    let source = copy.read(&defect.file)?;
    copy.write(&defect.file, planted)?;
    let outcome = runtime.block_on(copy.test(defect.arguments()));
    copy.write(&defect.file, &source)?;
    match outcome? {
        Outcome::Failed(test) => {
            say(&format!("{}: found by {test} in {} s", defect.name, begun.elapsed().as_secs()));
            Ok(())
        }
        Outcome::Passed => Err(format!("not found by cargo test {}: {}", defect.tests, defect.says).into()),
        Outcome::NotBuilt(lines) => Err(format!("the defect does not compile:\n{lines}").into()),
        Outcome::Ended(why) => Err(format!("a test program failed without a failed test: {why}").into()),
    }
}

fn open() -> Result<Field, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let copy = runtime.block_on(TreeCopy::make())?;
    Ok(Field { runtime, copy, sound: BTreeMap::new() })
}
