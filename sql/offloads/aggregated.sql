-- An aggregate is offloaded in full only.
CREATE OFFLOAD spent
  TO lake.shop.spent
AS SELECT customer, count(*) AS orders, sum(amount) AS spent
   FROM shop.main.orders
   GROUP BY customer;
