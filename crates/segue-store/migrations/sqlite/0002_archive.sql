-- What administrators need: to find sessions, to delete them with proof, and records of their own.
--
-- The columns are written when a session is created and when it ends, so that appends pay nothing for
-- their indexes. Each index ends with the session's key: within it, sessions are in order of creation.

alter table sessions add column connector  text    not null default '';
alter table sessions add column created_at integer not null default 0;
-- Null while it lives.
alter table sessions add column ended_at   integer;
-- Null where its integration did not say whose it is.
alter table sessions add column user_id    text;

update sessions set
    connector  = facts ->> '$.connector',
    created_at = (select at from entries where session = key and position = 1),
    ended_at   = (select at from entries
                  where session = key and event ->> '$.is' = 'session_ended' limit 1),
    -- The attributes are kept to the letter, as JSON in a text.
    user_id    = case when json_type(facts ->> '$.integration_attributes', '$.user_id') = 'text'
                 then (facts ->> '$.integration_attributes') ->> '$.user_id' end;

create index sessions_live on sessions (connector) where ended_at is null;
create index sessions_ended on sessions (connector, ended_at) where ended_at is not null;
create index sessions_of_connector on sessions (connector);
create index sessions_of_user on sessions (user_id) where user_id is not null;

-- A deleted session takes its jobs with it.
create index jobs_of_session on jobs (session);

-- Proof that a session was deleted, and of what: nothing that was said.
create table deletions (
    session    blob primary key,
    connector  text not null,
    created_at integer not null,
    deleted_at integer not null,
    deleted_by text not null,
    entries    integer not null,
    digest     blob not null
) strict, without rowid;

-- Documents that administrators change, in JSON of the server.
create table records (
    kind     text not null,
    id       text not null,
    revision integer not null,
    body     text not null,
    primary key (kind, id)
) strict, without rowid;
