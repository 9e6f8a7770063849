"""The core as a running process: one epoll loop that performs what `step` decides."""
