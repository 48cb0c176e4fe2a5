-- One folder per month and country.
CREATE OFFLOAD orders_by_month
  TO lake.shop.orders_by_month
  PARTITIONED BY (month(placed), country)
  WITH (parallel = 2, verify = 'aggregates')
AS SELECT id, placed, country, amount FROM shop.main.orders;
