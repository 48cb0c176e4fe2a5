-- Each side is read at its own snapshot, and all of it each time it is reset: a join is offloaded
-- in full only.
CREATE OFFLOAD orders_with_names
  TO lake.shop.orders_with_names
AS SELECT o.id, o.placed, c.name
   FROM shop.main.orders o JOIN shop.main.customers c ON c.id = o.customer;
