# frozen_string_literal: true

require "json"
require "open3"
require "sinatra/base"
require "sqlite3"

# A database that each worker opens for itself.
module Store
  PATH = "/tmp/notes.sqlite3"

  def self.open
    @database = SQLite3::Database.new(PATH)
    @database.busy_timeout = 10_000
    @database.execute("CREATE TABLE IF NOT EXISTS notes (process INTEGER, text TEXT)")
  end

  def self.close
    @database&.close
  end

  def self.execute(...)
    @database.execute(...)
  end
end

# Uses what a process can do: subprocesses, forks, pipes and a file that all share.
class App < Sinatra::Base
  LOADED_BY = Process.pid

  set :host_authorization, permitted_hosts: []
  before { content_type "application/json" }

  get "/" do
    { process: Process.pid, parent: Process.ppid, loaded_by: LOADED_BY }.to_json
  end

  get "/subprocesses" do
    kernel = `uname -s`.strip
    lines = IO.popen(["sort"], "r+") do |sort|
      sort.puts "b", "a"
      sort.close_write
      sort.read.split
    end
    errors, status = Open3.capture2e("cat /nowhere; exit 3")
    { kernel:, succeeded: system("true"), failed: system("false"), lines:, errors:, exit: status.exitstatus,
      shell: `echo $((6 * 7)) | tr 2 3`.strip }.to_json
  end

  get "/fork" do
    reader, writer = IO.pipe
    counter = 1
    pid = fork do
      reader.close
      counter += 41
      writer.write(counter)
      writer.close
      exit!(5)
    end
    writer.close
    told = reader.read
    Process.wait(pid)
    { told: Integer(told), kept: counter, exit: $?.exitstatus }.to_json
  end

  post "/notes" do
    Store.execute("INSERT INTO notes VALUES (?, ?)", [Process.pid, request.body.read])
    status 201
  end

  get "/notes" do
    { count: Store.execute("SELECT count(*) FROM notes")[0][0],
      processes: Store.execute("SELECT DISTINCT process FROM notes").flatten }.to_json
  end

  # The master replaces a worker that ends.
  post "/end" do
    Process.kill(:KILL, Process.pid)
  end
end
