//! Many rows at once: several to a statement, and each statement made while the database carries out the one before it.

use futures_util::future::join;

use super::{AssertSqlSafe, SqlSafeStr, StoreError, Tx, Value};

/// Rows of one statement: a few sizes, so that each form is prepared once.
const SIZES: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// A statement with its values.
#[derive(Clone, Debug)]
pub struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    /// A statement of the program's own words and of [`Dialect::rows`]: nothing from outside may be in it but as a value.
    #[must_use]
    pub const fn new(sql: String, values: Vec<Value>) -> Self {
        Self { sql, values }
    }
}

/// What the databases want in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Places for so many rows of so many values: `(…), (…)`. SQLite looks a numbered one up among all that came before
    /// it, once when it is prepared and once for each value that is bound: those that are only counted cost nothing.
    #[must_use]
    pub fn rows(self, rows: usize, columns: usize) -> String {
        let mut text = String::with_capacity(rows * columns * 6);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..columns {
                text.push_str(if column == 0 { "" } else { ", " });
                match self {
                    Self::Sqlite => text.push('?'),
                    Self::Postgres => text.push_str(&format!("${}", row * columns + column + 1)),
                }
            }
            text.push(')');
        }
        text
    }
}

/// The sizes of the pieces that so many rows are written in, none larger than `most`: small ones first, so that the
/// database has something to do while the larger ones are made.
pub fn sizes(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let small = SIZES.into_iter().rev().find(|size| rest & size != 0 && *size < most);
        let size = small.or_else(|| SIZES.into_iter().find(|size| *size <= most && *size <= rest))?;
        rest -= size;
        Some(size)
    })
}

/// A list in such pieces.
pub fn pieces<T>(all: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    sizes(all.len(), most).scan(all, |rest, size| {
        let (piece, left) = rest.split_at(size);
        *rest = left;
        Some(piece)
    })
}

impl Tx {
    /// Runs statements one after the other; each is made while the one before it is carried out.
    ///
    /// # Errors
    /// The first error of making or running one.
    pub async fn run_all<E: From<StoreError>>(
        &mut self,
        statements: impl Iterator<Item = Result<Statement, E>>,
    ) -> Result<(), E> {
        self.run_counted(statements, &mut 0).await
    }

    /// The same, and counts those that were carried out, also where one was not.
    pub(crate) async fn run_counted<E: From<StoreError>>(
        &mut self,
        mut statements: impl Iterator<Item = Result<Statement, E>>,
        carried_out: &mut usize,
    ) -> Result<(), E> {
        let mut next = statements.next();
        while let Some(statement) = next {
            let Statement { sql, values } = statement?;
            let run = self.run(AssertSqlSafe(sql).into_sql_str(), values.into());
            // The first is asked first: its statement is on its way before the next is made.
            let (done, made) = join(run, async { statements.next() }).await;
            done?;
            *carried_out += 1;
            next = made;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_list_in_few_sizes_small_ones_first() {
        for most in [1, 16, 64] {
            for len in 0..300 {
                let all: Vec<usize> = (0..len).collect();
                let sizes: Vec<usize> = pieces(&all, most).map(<[_]>::len).collect();
                assert_eq!(pieces(&all, most).flatten().copied().collect::<Vec<_>>(), all, "{len} by {most}");
                assert!(sizes.is_sorted(), "{sizes:?}");
                assert!(sizes.iter().all(|size| SIZES.contains(size) && *size <= most), "{sizes:?}");
                let least = len / most + (len % most).count_ones() as usize;
                assert_eq!(sizes.len(), least, "{sizes:?}");
            }
        }
    }

    #[test]
    fn places_are_counted_or_numbered() {
        assert_eq!(Dialect::Sqlite.rows(2, 2), "(?, ?), (?, ?)");
        assert_eq!(Dialect::Postgres.rows(2, 2), "($1, $2), ($3, $4)");
        assert_eq!(Dialect::Postgres.rows(1, 1), "($1)");
    }
}
