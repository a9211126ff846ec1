-- The log has many entries to a row, and so has its index: what an append costs is the bytes that it
-- adds. How the two kinds of rows look stands in log.rs and segments.rs.

-- The entries in the order in which they were appended.
create table log (
    chunk   integer primary key,
    records blob not null
) strict;

-- Where the entries of a session are, from a position on.
create table segments (
    session integer not null,
    first   integer not null,
    places  blob not null,
    primary key (session, first)
) strict, without rowid;

-- Each by itself. Their index is made by the start, as for what a process left without one.
insert into log
    select rowid,
        unhex(printf('%08X%016X%016X%016X%016X',
            49 + coalesce(length(message_key), 0) + octet_length(event),
            session, position, reached, at)
            || hex(id) || printf('%02X', coalesce(length(message_key), 0))
            || hex(coalesce(message_key, x'')) || hex(event))
    from entries order by rowid;

drop table entries;
drop table positions;
drop table message_keys;
drop table indexed;

-- One row: every entry up to the end of this chunk is indexed, those behind it may be.
create table indexed (
    only_row integer primary key check (only_row = 1),
    chunk    integer not null
) strict;
insert into indexed values (1, 0);
