CREATE TABLE customers (
    id INTEGER PRIMARY KEY,
    name VARCHAR(20) NOT NULL,
    joined DATE,
    vip BOOLEAN
);

INSERT INTO customers VALUES
    (1, 'Ada', '2023-12-31', 1),
    (2, 'Grace', '2024-01-01', 0),
    (3, 'o''Neil', NULL, NULL),
    (4, '', '2024-02-29', 0);

CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER,
    placed DATE NOT NULL,
    amount DECIMAL(12, 2),
    weight DOUBLE
);

INSERT INTO orders VALUES
    (10, 1, '2024-01-15', '19.90', 0.5),
    (11, 1, '2024-01-31', '0.10', NULL),
    (12, 2, '2024-02-01', '-7.00', 1.25),
    (13, 2, '2024-02-29', NULL, 3.0),
    (14, NULL, '2024-03-01', '1000000.01', 0.0),
    (15, 4, '2024-03-31', '0.00', 2.0);
