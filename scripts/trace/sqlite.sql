-- What a database is tested with: tables are made, filled, indexed, joined, changed and emptied.
-- Numbers are the same in each run.
PRAGMA journal_mode = MEMORY;
CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, since INTEGER);
CREATE TABLE item(id INTEGER PRIMARY KEY, title TEXT UNIQUE, price REAL);
CREATE TABLE sale(id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer,
	item INTEGER REFERENCES item, amount INTEGER, day INTEGER, note TEXT);

BEGIN;
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO customer SELECT i, printf('customer %d of %x', i, i * 2654435761 % 4294967296),
	'city ' || (i * 7919 % 97), i * 31 % 3650 FROM n;
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
INSERT INTO item SELECT i, printf('item %08x', i * 2654435761 % 4294967296), i * 37 % 1000 / 10.0
FROM n;
WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO sale SELECT i, i * 7919 % 5000 + 1, i * 104729 % 1000 + 1, i % 9 + 1, i * 31 % 3650,
	CASE i % 5 WHEN 0 THEN printf('a note on sale %d, %.*c', i, i % 200, 'x') END FROM n;
COMMIT;

CREATE INDEX sale_customer ON sale(customer, day);
CREATE INDEX sale_item ON sale(item);
CREATE INDEX customer_city ON customer(city);
ANALYZE;

SELECT city, count(*), round(sum(amount * price), 2) FROM sale
JOIN customer ON customer.id = sale.customer JOIN item ON item.id = sale.item
GROUP BY city ORDER BY 3 DESC LIMIT 10;
SELECT title, group_concat(name, ', ') FROM item JOIN sale ON sale.item = item.id
JOIN customer ON customer.id = sale.customer WHERE day < 60 GROUP BY title ORDER BY title LIMIT 20;
SELECT name, day, sum(amount) OVER (PARTITION BY customer ORDER BY day) FROM sale
JOIN customer ON customer.id = sale.customer WHERE city = 'city 13' ORDER BY name, day LIMIT 500;
SELECT count(DISTINCT note), max(length(note)) FROM sale;

BEGIN;
UPDATE item SET price = price * 1.1 WHERE id % 3 = 0;
UPDATE sale SET note = upper(note) || ' seen' WHERE note LIKE '%7%';
DELETE FROM sale WHERE customer IN (SELECT id FROM customer WHERE since < 900);
DELETE FROM customer WHERE since < 900;
COMMIT;

CREATE VIEW spent AS SELECT customer, sum(amount * price) AS total FROM sale
JOIN item ON item.id = sale.item GROUP BY customer;
SELECT name, round(total, 2) FROM spent JOIN customer ON customer.id = customer
ORDER BY total LIMIT 20;
CREATE TABLE words AS SELECT DISTINCT substr(note, 1, 24) AS word FROM sale WHERE note IS NOT NULL;
SELECT a.word FROM words a JOIN words b ON a.rowid = b.rowid + 1 WHERE a.word < b.word
ORDER BY a.word LIMIT 50;
DROP TABLE words;
REINDEX;
VACUUM;
PRAGMA integrity_check;
