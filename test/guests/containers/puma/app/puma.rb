# frozen_string_literal: true

workers 2
threads 1, 3
preload_app!
bind "tcp://0.0.0.0:8080"
environment "production"

before_fork { Store.close }
on_worker_boot { Store.open }
