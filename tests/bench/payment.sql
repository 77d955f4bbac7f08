-- A payment with credit, in the statements that the program sends; pgbench runs it, prepared.
-- `bench_invoice` (yardstick.py) says whose each invoice is. What the program computes between its
-- statements (ids, sums) is computed within them here.
\set n random(1, :invoices)
SELECT s.id, s.user_id, s.expires_at, s.seen_at, u.role, u.account_id, a.locale
  FROM bench_invoice n JOIN session s ON s.token_hash = n.token_hash
  JOIN users u ON u.id = s.user_id LEFT JOIN account a ON a.id = u.account_id
 WHERE n.n = :n AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL \gset s_
SELECT i.*, EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id
                     AND p.status IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING')) AS has_open,
       (a.frozen OR a.open_disputes > 0 OR EXISTS
       (SELECT 1 FROM balance b WHERE b.account_id = a.id AND b.debt > 0)) AS stopped,
       n.balance_id, n.deposited_id, n.sales_id, gen_random_uuid() AS line_id
  FROM bench_invoice n JOIN invoice i ON i.id = n.invoice_id JOIN account a ON a.id = i.account_id
 WHERE n.n = :n \gset i_
BEGIN;
INSERT INTO idempotency_key (id, created_at, principal, key, fingerprint, result)
VALUES (gen_random_uuid(), now(), :s_user_id, CAST(gen_random_uuid() AS text), repeat('0', 64),
        '{"invoice": "inv_00000000000000000000000000000000"}')
ON CONFLICT DO NOTHING RETURNING id;
SELECT b.available, b.reserved, b.promotional, b.debt, b.version, b.revision,
       (SELECT s.revision FROM balance s WHERE s.id = b.id) AS seen,
       g.id AS grant_id, g.remaining, g.expires_at
  FROM balance b
  LEFT JOIN credit_grant g
    ON g.account_id = b.account_id AND g.currency = b.currency AND g.remaining > 0
 WHERE b.id = :i_balance_id FOR UPDATE OF b \gset b_
UPDATE invoice SET revision = revision + 1, credit_applied = :i_total, amount_paid = :i_total,
       status = 'PAID', paid_at = now()
 WHERE id = :i_id AND revision = :i_revision;
INSERT INTO event (id, created_at, kind, account_id, subject_id, data)
VALUES (gen_random_uuid(), now(), 'invoice.paid', :i_account_id, :i_id,
        '{"number": "INV-2026-000000", "status": "PAID"}') RETURNING id;
WITH s0 AS (INSERT INTO credit_transaction (id, created_at, account_id, currency, kind, source,
       amount, balance_after, available_after, reserved_after, promotional_after, debt_after,
       version, note, refundable, invoice_id, payment_id)
VALUES (:i_line_id, now(), :i_account_id, 'USD', 'INVOICE_PAYMENT', CAST(:i_line_id AS text),
        -CAST(:i_total AS bigint), CAST(:b_available AS bigint) - :i_total,
        CAST(:b_available AS bigint) - :i_total, 0, 0, 0, CAST(:b_version AS bigint) + 1,
        :i_number, false, :i_id, NULL) RETURNING id),
s1 AS (INSERT INTO transfer (id, created_at, currency, kind, source, leg, from_id, to_id, amount,
       account_id, credit_transaction_id, payment_id)
VALUES (gen_random_uuid(), now(), 'USD', 'INVOICE_PAYMENT', CAST(:i_line_id AS text), 0,
        :i_deposited_id, :i_sales_id, :i_total, :i_account_id, :i_line_id, NULL) RETURNING id),
s2 AS (UPDATE balance SET available = CAST(:b_available AS bigint) - :i_total, reserved = 0,
       promotional = 0, debt = 0, version = CAST(:b_version AS bigint) + 1,
       revision = CAST(:b_revision AS bigint) + 1, updated_at = now()
 WHERE id = :i_balance_id) SELECT 1;
COMMIT;
SELECT a.id AS account_id, b.currency, a.created_at AS opened_at, b.available, b.reserved,
       b.promotional, b.debt, b.version, b.updated_at,
       (SELECT COALESCE(SUM(i.total - i.amount_paid), 0) FROM invoice i
         WHERE i.account_id = a.id AND i.currency = b.currency AND i.kind = 'FUNDS'
           AND i.status IN ('UNPAID', 'PROCESSING')
           AND EXISTS (SELECT 1 FROM payment p WHERE p.invoice_id = i.id
                        AND p.status IN ('CREATED', 'REQUIRES_ACTION', 'PROCESSING'))) AS pending,
       g.remaining AS expiring, g.expires_at
  FROM account a LEFT JOIN balance b ON b.account_id = a.id AND b.currency = 'USD'
  LEFT JOIN credit_grant g ON g.id =
       (SELECT n.id FROM credit_grant n WHERE n.account_id = a.id AND n.currency = b.currency
           AND n.remaining > 0 AND n.expires_at IS NOT NULL ORDER BY n.expires_at, n.id LIMIT 1)
 WHERE a.id = :i_account_id;
