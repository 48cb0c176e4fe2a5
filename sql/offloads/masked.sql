-- A cast is a type mapping, a function is a mask: the query is ordinary SQL.
CREATE OFFLOAD orders_masked
  TO lake.shop.orders_masked
AS SELECT
     id,
     CAST(amount AS DECIMAL(18, 4)) AS amount,
     round(amount, 1) AS about,
     upper(country) AS country,
     CASE WHEN note IS NULL THEN NULL ELSE 'redacted' END AS note
   FROM shop.main.orders
   WHERE amount > 1;
