"""Claims jobs, launches children, watches, settles; keeps the engines that answer. Never imports torch."""
