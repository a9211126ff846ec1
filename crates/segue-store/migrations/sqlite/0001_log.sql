-- The log of every session, what is folded from it, and the jobs committed along with it.
--
-- What an append costs is the number of pages that it dirties, not their bytes. So: rows that are
-- written once are apart from those that every append rewrites, every index begins with the
-- session's integer key, and entries go to the end of their table.

create table sessions (
    key   integer primary key,
    id    blob not null unique,
    facts text not null
) strict;

-- The folded state: loading a session is one row of this and one of `sessions`.
create table states (
    session integer primary key,
    head    integer not null,
    -- The layout of `state`; a row with another one is folded anew from the log.
    version integer not null,
    state   text not null
) strict;

-- Apart from the state, because a node writes it for all its sessions once a minute.
create table presence (
    session integer primary key,
    seen_at integer not null
) strict;

create table entries (
    rowid       integer primary key,
    session     integer not null,
    position    integer not null,
    -- The sequence reached; grows with the position, so a cursor is found by bisection.
    reached     integer not null,
    at          integer not null,
    id          blob not null,
    -- A digest of the client's key: short, whatever the client sends. The key is in the event.
    message_key blob,
    event       text not null
) strict;
create unique index entries_by_position on entries (session, position);
create unique index entries_by_message_key on entries (session, message_key)
    where message_key is not null;

create table bot_states (
    session integer primary key,
    state   text not null
) strict;

-- How many sessions an access token has created.
create table tokens (
    token    text primary key,
    sessions integer not null
) strict, without rowid;

create table jobs (
    id          integer primary key,
    session     integer not null,
    kind        integer not null,
    turn        integer,
    run_at      integer not null,
    -- Who has it, and until when unless the lease is renewed. Null: it is free.
    node        blob,
    lease_until integer
) strict;
-- Two indexes, so that jobs at work are not walked over by whoever looks for a free one.
create index jobs_free on jobs (kind, run_at) where node is null;
create index jobs_leased on jobs (kind, lease_until) where node is not null;

-- One row: when a node was last known to be alive. `checks` is there to be written.
create table alive (
    only_row integer primary key check (only_row = 1),
    alive_at integer,
    checks   integer not null
) strict;
insert into alive values (1, null, 0);

create table downtimes (
    from_at integer not null,
    to_at   integer not null
) strict;
