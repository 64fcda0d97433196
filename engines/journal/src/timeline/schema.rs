//! The timeline's table.

use crate::store::{Migrations, Step};

/// The timeline's tables.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "timeline",
    steps: &[Step::each(
        "entries",
        concat!(
            "CREATE TABLE timeline_entries (body BLOB NOT NULL, hash BLOB NOT NULL, ",
            "writer TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL, ",
            "service TEXT, subject TEXT, search TEXT NOT NULL, invocation TEXT, undoes TEXT, outcome_of BIGINT, ",
            "checkpoint BIGINT, PRIMARY KEY (writer, seq)) WITHOUT ROWID;",
            "CREATE INDEX timeline_by_time ON timeline_entries (at, writer, seq);",
            "CREATE INDEX timeline_by_service ON timeline_entries (service, at) WHERE service IS NOT NULL;",
            "CREATE INDEX timeline_by_invocation ON timeline_entries (invocation) WHERE invocation IS NOT NULL;",
            "CREATE INDEX timeline_by_undoes ON timeline_entries (undoes) WHERE undoes IS NOT NULL;",
            "CREATE INDEX timeline_by_intent ON timeline_entries (writer, outcome_of) WHERE outcome_of IS NOT NULL;",
            "CREATE INDEX timeline_intents ON timeline_entries (writer, seq) WHERE phase = 'intent';",
            "CREATE INDEX timeline_checkpoints ON timeline_entries (writer, seq) WHERE checkpoint IS NOT NULL;",
        ),
        concat!(
            "CREATE TABLE timeline_entries (body BYTEA NOT NULL, hash BYTEA NOT NULL, ",
            "writer TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, kind TEXT NOT NULL, phase TEXT NOT NULL, ",
            "service TEXT, subject TEXT, search TEXT NOT NULL, invocation TEXT, undoes TEXT, outcome_of BIGINT, ",
            "checkpoint BIGINT, PRIMARY KEY (writer, seq));",
            "CREATE INDEX timeline_by_time ON timeline_entries (at, writer, seq);",
            "CREATE INDEX timeline_by_service ON timeline_entries (service, at) WHERE service IS NOT NULL;",
            "CREATE INDEX timeline_by_invocation ON timeline_entries (invocation) WHERE invocation IS NOT NULL;",
            "CREATE INDEX timeline_by_undoes ON timeline_entries (undoes) WHERE undoes IS NOT NULL;",
            "CREATE INDEX timeline_by_intent ON timeline_entries (writer, outcome_of) WHERE outcome_of IS NOT NULL;",
            "CREATE INDEX timeline_intents ON timeline_entries (writer, seq) WHERE phase = 'intent';",
            "CREATE INDEX timeline_checkpoints ON timeline_entries (writer, seq) WHERE checkpoint IS NOT NULL;",
        ),
    )],
};
