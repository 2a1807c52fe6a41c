# frozen_string_literal: true

require "etc"
require "sinatra/base"

# A small web application, written for a container and unaware of where it runs.
class App < Sinatra::Base
  NOTES = "/tmp/notes.txt"

  set :host_authorization, permitted_hosts: []
  before { content_type "text/plain" }

  get "/" do
    system = Etc.uname
    <<~TEXT
      #{ENV.fetch("GREETING", "Hello from a container")}

      Ruby #{RUBY_VERSION}, Puma #{Puma::Const::VERSION}, Sinatra #{Sinatra::VERSION}
      process #{Process.pid}, user #{Process.uid}, #{Thread.list.size} threads
      #{system[:sysname]} #{system[:release]} #{system[:machine]}
    TEXT
  end

  get "/health" do
    "ok\n"
  end

  # Notes are kept in a file, for as long as the instance lives.
  get "/notes" do
    File.exist?(NOTES) ? File.read(NOTES) : ""
  end

  post "/notes" do
    File.write(NOTES, "#{request.body.read.strip}\n", mode: "a")
    status 201
  end
end
