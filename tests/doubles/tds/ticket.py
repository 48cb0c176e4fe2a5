"""Accepts a ticket of Kerberos, for the double of SQL Server.

Reads it from standard input as hexadecimal digits, judges it by the keys of KRB5_KTNAME, and prints
whose it is and the reply for the client, in digits too. What is wrong with a ticket goes to standard
error, with exit status 1.
"""

import sys

import gssapi


def main():
    context = gssapi.SecurityContext(usage="accept")
    try:
        reply = context.step(bytes.fromhex(sys.stdin.readline()))
    except gssapi.exceptions.GSSError as error:
        sys.exit(str(error))
    if not context.complete:
        sys.exit("the ticket wants another round")
    print(context.initiator_name, (reply or b"").hex())


main()
