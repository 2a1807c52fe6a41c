"""A WSGI application and gunicorn's server for it: threads, so that connections are kept."""


def application(_environ, start_response):
    body = b"Hello from Python\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
