-- What `goe demo --add-newer` adds: the orders of January 1998 come again a year later, all shipped
-- before that January ends.
CREATE TEMP TABLE again AS
  SELECT o_orderkey AS old_key, (SELECT max(o_orderkey) FROM orders) + o_orderkey AS new_key
    FROM orders
   WHERE o_orderdate >= '1998-01-01' AND o_orderdate < '1998-02-01';

INSERT INTO orders
  SELECT new_key, o_custkey, 'O', o_totalprice, date(o_orderdate, '+1 year'), o_orderpriority,
         o_clerk, o_shippriority, o_comment
    FROM orders JOIN again ON o_orderkey = old_key;

INSERT INTO lineitem
  SELECT new_key, l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount,
         l_tax, 'N', 'O', min(date(l_shipdate, '+1 year'), '1999-01-31'),
         date(l_commitdate, '+1 year'), date(l_receiptdate, '+1 year'), l_shipinstruct, l_shipmode,
         l_comment
    FROM lineitem JOIN again ON l_orderkey = old_key;

DROP TABLE again;
