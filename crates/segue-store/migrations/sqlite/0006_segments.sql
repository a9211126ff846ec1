-- The rows of the index by one number, of a session and a position (segments.rs): in a tree of
-- numbers all rows are leaves, and the way to them is short. In one without row ids every page of the
-- way had four rows itself, and adding one rewrote several of them.
alter table segments rename to segments_by_two;
create table segments (
    key    integer primary key,
    places blob not null
) strict;
-- A damaged row that would be somebody else's is left out: its session has a gap then, which is told.
insert into segments
    select session << 28 | first, places from segments_by_two
    where session between 1 and (1 << 35) - 1 and first between 1 and (1 << 28) - 1
    order by session, first;
drop table segments_by_two;
