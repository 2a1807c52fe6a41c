bind = "0.0.0.0:8080"
workers = 4
preload_app = True
accesslog = "-"
timeout = 120
