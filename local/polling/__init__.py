"""What Lambda's event pollers do for an MSK event source, by the books.

`poller` reads the topic, `delivery` gets batches to the function and decides what becomes of what it failed at,
`documents` holds the shapes of what goes to the function and to the on-failure destination, and `meter` counts.
"""
