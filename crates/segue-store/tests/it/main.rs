//! One contract for every store, and what only SQLite can be asked.

mod contract;
mod sqlite_only;
mod support;

use std::sync::Arc;

use segue_core::ports::Store;
use segue_store::{Hooks, IndexPace, MemoryStore, SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// A store for one case, and what has to live as long.
struct Fresh {
    store: Arc<dyn Store>,
    _folder: Option<TempDir>,
}

fn memory() -> Fresh {
    Fresh { store: Arc::new(MemoryStore::new()), _folder: None }
}

fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(SqliteOptions::new(folder.path().join("segue.db"))).unwrap();
    Fresh { store: Arc::new(store), _folder: Some(folder) }
}

/// As `sqlite`, but always at work with its index, some entries of a batch in it and others not.
fn sqlite_indexing() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let hooks =
        Hooks { index_pace: IndexPace { batch_entries: 3, step_entries: 1 }, ..Hooks::default() };
    let options = SqliteOptions { hooks, ..SqliteOptions::new(folder.path().join("segue.db")) };
    Fresh { store: Arc::new(SqliteStore::open(options).unwrap()), _folder: Some(folder) }
}

/// Runs every case for every backend. None of them knows which.
macro_rules! contract {
    ($($backend:ident),+: $cases:tt) => { $(contract!(@ $backend $cases);)+ };
    (@ $backend:ident { $($area:ident: [$($case:ident),+ $(,)?]),+ $(,)? }) => {
        mod $backend {
            $(mod $area {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $case() {
                        let fresh = crate::$backend();
                        crate::contract::$area::$case(&fresh.store).await;
                    }
                )+
            })+
        }
    };
}

contract!(memory, sqlite, sqlite_indexing: {
    append: [
        a_session_reads_back_as_it_was_written,
        an_unknown_session_is_nowhere,
        only_a_commit_on_the_end_of_the_log_is_recorded,
        a_session_is_created_once,
        what_is_refused_leaves_no_trace,
        commits_that_wait_together_see_each_other,
        fifty_tasks_take_every_position_once,
        a_conflict_does_not_fail_its_neighbours,
        the_row_is_what_the_log_folds_to,
        a_gap_in_a_commit_is_a_fault,
        a_row_that_is_not_after_the_last_entry_is_a_fault,
        the_bots_state_stays_until_it_is_replaced,
    ],
    messages: [
        a_message_is_found_by_its_key,
        a_key_is_recorded_once,
        a_known_message_is_a_duplicate_also_for_a_stale_writer,
        a_duplicate_takes_the_rest_of_its_commit_with_it,
        a_key_belongs_to_its_name_space_and_its_session,
        keys_of_any_text_are_told_apart,
        many_tasks_with_one_key_record_it_once,
        a_duplicate_does_not_fail_its_neighbours,
        one_key_twice_in_a_commit_is_a_fault,
        texts_come_back_to_the_letter,
        every_event_reads_back,
    ],
    claims: [
        a_token_creates_so_many_sessions_and_no_more,
        a_race_for_the_last_slots_fills_them_exactly,
        a_session_that_exists_is_a_conflict_before_it_is_a_claim,
        so_many_sessions_of_a_connector_live_at_a_time,
        so_many_sessions_of_a_connector_are_created_in_a_time,
        a_race_for_the_last_places_of_a_connector_fills_them_exactly,
        a_deleted_session_lives_no_longer,
    ],
    read: [
        a_page_ends_at_its_limit_of_entries,
        a_page_ends_at_its_limit_of_bytes,
        a_page_has_at_least_one_entry,
        a_cursor_is_found_between_internal_entries,
        a_cursor_beyond_the_end_is_the_end,
        behind_every_position_there_is_nothing,
        heads_are_where_the_logs_end,
        heads_of_thousands_come_in_their_order,
        the_end_of_all_logs_moves_with_every_append_and_with_nothing_else,
    ],
    jobs: [
        a_job_is_there_with_its_commit_only,
        a_job_is_claimed_when_it_is_due,
        the_longest_due_go_first,
        kinds_are_claimed_apart,
        a_claimed_job_is_taken_until_its_lease_ends,
        a_renewed_lease_goes_on,
        a_lease_that_ended_is_kept_until_somebody_takes_the_job,
        a_lost_job_is_left_alone,
        a_job_may_run_again,
        a_finished_jobs_name_is_not_given_again,
        many_nodes_claim_every_job_once,
        what_is_due_and_free_is_counted,
        a_live_session_is_one_with_a_timer,
    ],
    alive: [
        a_new_session_was_seen_when_it_began,
        last_seen_never_goes_back,
        unknown_sessions_were_never_seen,
        the_time_without_a_node_is_a_downtime,
        old_downtimes_are_forgotten,
        a_clock_that_was_set_back_makes_no_downtime,
        the_newest_time_at_which_a_node_was_alive_is_known,
        a_start_while_another_node_runs_ends_no_downtime,
    ],
    list: [
        sessions_come_in_order_of_creation,
        pages_of_a_list_follow_each_other,
        a_list_after_an_unknown_session_is_empty,
        a_listed_session_has_its_state_and_last_seen,
        a_store_that_works_passes_its_check,
    ],
    archive: [
        only_sessions_of_visible_connectors_are_found,
        sessions_are_found_by_state_and_time,
        sessions_are_found_by_their_user,
        the_newest_come_first_where_asked,
        a_deleted_session_is_nowhere,
        a_deletion_is_done_once_and_proven_for_ever,
        a_digest_is_that_of_the_log,
        records_come_by_kind_in_order_of_their_ids,
        a_record_changes_from_the_version_that_was_seen,
    ],
});
