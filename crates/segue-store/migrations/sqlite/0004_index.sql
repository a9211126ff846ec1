-- The log is indexed behind the writer, some thousand entries at a time and session by session: an
-- index dirties a page for nearly every entry where each is put in by itself, and one for many where
-- those of a session come together.

-- Where the entries of a session are.
create table positions (
    session  integer not null,
    position integer not null,
    entry    integer not null,
    primary key (session, position)
) strict, without rowid;

-- Where the messages of a session are, by the digest of the client's key.
create table message_keys (
    session  integer not null,
    digest   blob not null,
    position integer not null,
    primary key (session, digest)
) strict, without rowid;

-- One row: every entry up to this one is in both, those behind it may be.
create table indexed (
    only_row integer primary key check (only_row = 1),
    entry    integer not null
) strict;

insert into positions select session, position, rowid from entries order by session, position;
insert into message_keys
    select session, message_key, position from entries
    where message_key is not null order by session, message_key;
insert into indexed select 1, coalesce(max(rowid), 0) from entries;

drop index entries_by_position;
drop index entries_by_message_key;
