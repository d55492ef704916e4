-- Free time is paid to practitioners by the platform.

-- The practitioner's part of the free time that was used, borne by the platform. Settlements from before say 0:
-- nothing was promised for them.
alter table settlements add column promotion_minor bigint not null default 0 check (promotion_minor >= 0);
alter table settlements add constraint promotion_is_for_free_time check (promotion_minor = 0 or free_ms > 0);
comment on column settlements.promotion_minor is
    'What the platform pays the practitioner for the free time, in minor units; no part of the guest''s price.';

-- A debt may be kept from what the platform pays for free time, which no charge stands behind.
alter table deductions alter column charge drop not null;
alter table deductions add constraint only_netting_lacks_a_charge check (charge is not null or kind = 'netting');

create index settlements_promoted on settlements (session_id) where promotion_minor > 0;
