-- First-contact resolution, a resolved contact a row: without a reopening, and without another inbound contact of that
-- customer within 7 days of its last resolution, in any channel (`first_contact`) or in its own queue, which is that of
-- its channel (`first_contact_in_queue`). Until the 7 days are over that is `provisional`. Without a customer: NULL.
CREATE OR REPLACE VIEW first_contacts AS
WITH (SELECT now64(3, 'UTC')) AS moment
SELECT
    contact_id,
    customer AS customer_id,
    channel,
    queue,
    last_resolved_at AS resolved_at,
    reopens,
    if(next_at > last_resolved_at, next_at, NULL) AS returned_at,
    if(next_in_queue_at > last_resolved_at, next_in_queue_at, NULL) AS returned_to_queue_at,
    if(customer = '', NULL, reopens = 0 AND ifNull(returned_at > addDays(last_resolved_at, 7), true)) AS first_contact,
    if(customer = '', NULL, reopens = 0 AND ifNull(returned_to_queue_at > addDays(last_resolved_at, 7), true))
        AS first_contact_in_queue,
    assumeNotNull(moment) < addDays(last_resolved_at, 7) AS provisional
FROM (
    SELECT contact_id, customer_id AS customer, channel, queue, assumeNotNull(resolved_at) AS last_resolved_at, reopens
    FROM contacts_rows FINAL
    WHERE NOT discarded AND resolved_at IS NOT NULL
) AS c
ASOF LEFT JOIN (
    SELECT customer_id AS who, assumeNotNull(started_at) AS next_at
    FROM contacts_rows FINAL
    WHERE NOT discarded AND inbound AND customer_id != '' AND started_at IS NOT NULL
) AS r ON customer = who AND last_resolved_at < next_at
ASOF LEFT JOIN (
    SELECT customer_id AS same, channel AS by, queue AS there, assumeNotNull(started_at) AS next_in_queue_at
    FROM contacts_rows FINAL
    WHERE NOT discarded AND inbound AND customer_id != '' AND started_at IS NOT NULL
) AS q ON customer = same AND channel = by AND queue = there AND last_resolved_at < next_in_queue_at;

-- The same by day of the last resolution, in the centre's time, channel and queue. Over other ranges: the sums of the
-- counts, divided; `coverage` says of how many resolved contacts the customer is known.
CREATE OR REPLACE VIEW fcr AS
SELECT
    toDate32(f.resolved_at, '${time_zone}') AS day,
    channel,
    queue,
    count() AS resolved,
    countIf(f.first_contact IS NOT NULL) AS with_customer,
    countIf(ifNull(f.first_contact, false)) AS first_contacts,
    countIf(ifNull(f.first_contact_in_queue, false)) AS first_contacts_in_queue,
    first_contacts / nullIf(toFloat64(with_customer), 0) AS fcr,
    first_contacts_in_queue / nullIf(toFloat64(with_customer), 0) AS fcr_in_queue,
    with_customer / toFloat64(resolved) AS coverage,
    max(f.provisional) AS provisional
FROM first_contacts AS f
GROUP BY day, channel, queue;
