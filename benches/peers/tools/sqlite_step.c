/* The floor of SQLite: steps through every row and takes every column as it is stored.
 *
 *   sqlite_step FILE
 */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t take(sqlite3_stmt *statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        return (uint64_t)sqlite3_column_int64(statement, column);
    case SQLITE_FLOAT:
        return (uint64_t)sqlite3_column_double(statement, column);
    case SQLITE_TEXT:
        return sqlite3_column_text(statement, column)[0] +
               (uint64_t)sqlite3_column_bytes(statement, column);
    default:
        return 0;
    }
}

int main(int count, char **arguments) {
    sqlite3 *database;
    sqlite3_stmt *statement;
    uint64_t sum = 0;
    int result;

    if (count != 2 || sqlite3_open_v2(arguments[1], &database, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(database, "SELECT * FROM lineitem", -1, &statement, NULL) != SQLITE_OK) {
        fprintf(stderr, "sqlite_step needs a SQLite file with a table lineitem\n");
        return 1;
    }
    int columns = sqlite3_column_count(statement);
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int column = 0; column < columns; column++) {
            sum += take(statement, column);
        }
    }
    printf("%llu\n", (unsigned long long)sum);
    return result == SQLITE_DONE ? 0 : 1;
}
