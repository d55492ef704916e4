-- This number is kept for a migration that is made elsewhere at the same time; that file takes this one's place.
select 1;
