-- What staff and people typed is sealed, and DATA_KEY can be exchanged.

-- A text column becomes one of sealed bytes under the same name. Only the hub can seal, and what lies here in
-- the clear is not thrown away for that: such a database stays as it is.
do $$
declare
    place text;
    written bigint;
begin
    foreach place in array array[
        'admin_actions where reason is not null', 'audit_texts where text is not null',
        'refunds where reason is not null', 'fraud_reviews where reason is not null',
        'applications where true', 'evidence where hold_reason is not null'
    ] loop
        execute 'select count(*) from public.' || place into written;
        if written > 0 then
            raise exception 'this release seals what people typed, and % texts lie unsealed in %', written, place
                using hint = 'nothing was changed; begin with an empty database, or remove these rows first';
        end if;
    end loop;
end $$;

-- Whose key sealed a text that may be about anybody; the others are under the key of whom the row is about.
alter table audit_texts add column sealed_for uuid;
alter table audit_texts drop constraint audit_texts_text_check;
alter table audit_texts alter column text type bytea using null;
alter table audit_texts add constraint audit_texts_text_check
    check (text is null or (length(text) <= 8192 and sealed_for is not null));
create index audit_texts_sealed_for on audit_texts (sealed_for) where sealed_for is not null;

-- Of who was removed no word is kept, so a reason may be missing.
alter table admin_actions add column sealed_for uuid;
alter table admin_actions drop constraint admin_actions_reason_check;
alter table admin_actions alter column reason drop not null;
alter table admin_actions alter column reason type bytea using null;
alter table admin_actions add constraint admin_actions_reason_check check (length(reason) <= 4096);
create index admin_actions_sealed_for on admin_actions (sealed_for) where sealed_for is not null;
-- A reason is bound to its row before it is written.
grant usage on sequence admin_actions_id_seq to hub_worker;

grant select, update (sealed_for) on audit_texts, admin_actions to hub_eraser;
select let_work('hub_eraser', 'audit_texts');

alter table refunds drop constraint refunds_reason_check;
alter table refunds alter column reason drop not null;
alter table refunds alter column reason type bytea using null;
alter table refunds add constraint refunds_reason_check check (length(reason) <= 4096);

-- Everything goes back by a rule, and this names it: nobody types it.
alter table restitutions drop constraint restitutions_reason_check;
alter table restitutions add constraint restitutions_reason_check check (reason ~ '^[a-z_]{1,40}$');

-- Under the key of the person who was looked at, and where it is a card or a network, of the admin who decided.
alter table fraud_reviews drop constraint fraud_reviews_reason_check;
alter table fraud_reviews alter column reason type bytea using null;
alter table fraud_reviews drop constraint fraud_reviews_check1;
alter table fraud_reviews add constraint fraud_reviews_decided_check
    check ((decided_by is null) = (decided_at_ms is null) and (reason is null or decided_by is not null));
alter table fraud_reviews add constraint fraud_reviews_reason_check check (length(reason) <= 4096);

-- Until it is approved, what somebody wants to offer is for nobody else to read.
alter table applications drop constraint applications_headline_check;
alter table applications drop constraint applications_topics_check;
alter table applications drop constraint applications_reason_check;
alter table applications alter column headline type bytea using null;
alter table applications alter column topics type bytea using null;
alter table applications alter column reason type bytea using null;
alter table applications add constraint applications_headline_check check (length(headline) <= 4096);
alter table applications add constraint applications_topics_check check (length(topics) <= 65536);
alter table applications add constraint applications_reason_check check (length(reason) <= 4096);

-- Why it is kept ends with what is kept: under the evidence's own key.
alter table evidence drop constraint evidence_hold_reason_check;
alter table evidence alter column hold_reason type bytea using null;
alter table evidence add constraint evidence_hold_reason_check check (length(hold_reason) <= 4096);

-- From when on a version of DATA_KEY wraps: a new one is known for a while before it does.
alter table key_canaries add column active_at_ms bigint not null default 0;
grant update (active_at_ms) on key_canaries to hub_worker;
create index subject_keys_version on subject_keys (key_version, subject_id) where wrapped is not null;

-- What the hub itself keeps secret, wrapped by DATA_KEY like the keys of people. From `root` follows what must stay
-- the same when DATA_KEY is exchanged: marks of cards and devices, the key that signs the audit.
create table hub_secrets (
    name text primary key check (name ~ '^[a-z_]{1,40}$'),
    wrapped bytea not null,
    key_version integer not null check (key_version > 0),
    created_at_ms bigint not null
);
select keep_to_hub('hub_secrets');
grant select, insert on hub_secrets to hub_worker;
grant update (wrapped, key_version) on hub_secrets to hub_worker;
