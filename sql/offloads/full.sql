-- All rows of a table, as they are.
CREATE OFFLOAD customers
  TO lake.shop.customers
AS SELECT * FROM shop.main.customers;
