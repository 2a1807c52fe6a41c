# frozen_string_literal: true

# One process with a pool of threads: Puma's single mode.
workers 0
threads 1, 5
bind "tcp://0.0.0.0:#{ENV.fetch("PORT", "8080")}"
environment ENV.fetch("RACK_ENV", "development")
