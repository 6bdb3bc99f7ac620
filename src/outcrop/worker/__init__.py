"""Claims jobs, launches children, watches, settles; keeps the engines that provisioned models need. Never imports torch."""
