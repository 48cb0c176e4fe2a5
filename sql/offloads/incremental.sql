-- Closed periods only: what was ordered before a boundary, each order once.
CREATE OFFLOAD orders
  TO lake.shop.orders
  INCREMENTAL BY (placed) UNTIL (DATE '2024-03-01')
AS SELECT id, customer, placed, amount FROM shop.main.orders;
