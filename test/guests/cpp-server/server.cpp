// A web server in C++20 that uses what the language's own library has for threads, exceptions, files and time.
//
//   GET /            the greeting ($GREETING, "Hello from C++" without one)
//   GET /threads     what threads add up with atomics, a mutex, a barrier, a condition variable and thread-local storage
//   GET /exceptions  exceptions that cross threads, nest, and unwind a deep stack
//   GET /filesystem  what std::filesystem finds of what it has made
//   GET /chrono      clocks and waits
//   GET /terminate   throws what nobody catches
//
// Listens on $PORT (8080 without one), with a pool of threads.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <set>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// Counts in a counter of the thread's own, which is added to the whole when the thread ends.
struct Tally {
  static inline std::atomic<long> whole = 0;
  long own = 0;
  ~Tally() { whole += own; }
};
thread_local Tally tally;

std::string threads() {
  constexpr int count = 8;
  constexpr long times = 10'000;
  std::atomic<long> atomic = 0;
  long locked = 0;
  std::mutex mutex;
  std::shared_mutex shared;
  std::map<int, int> table;
  std::once_flag once;
  int initialised = 0, rounds = 0;
  std::barrier barrier(count, [&]() noexcept { rounds++; });
  const long before = Tally::whole;
  {
    std::vector<std::jthread> workers;
    for (int worker = 0; worker < count; worker++)
      workers.emplace_back([&, worker] {
        std::call_once(once, [&] { initialised++; });
        for (long i = 0; i < times; i++) {
          tally.own++;
          atomic.fetch_add(1, std::memory_order_relaxed);
          if (i % 10 == 0) {
            std::scoped_lock lock(mutex);
            locked++;
          }
        }
        barrier.arrive_and_wait();
        {
          std::unique_lock lock(shared);
          table[worker] = worker * worker;
        }
        barrier.arrive_and_wait();
        std::shared_lock lock(shared);
        if (table.size() != count) throw std::logic_error("a thread has passed the barrier too early");
      });
  }

  // One hands numbers over, another takes them, until it is asked to stop.
  std::deque<int> queue;
  std::condition_variable_any arrived;
  long taken = 0;
  std::jthread consumer([&](std::stop_token stop) {
    std::unique_lock lock(mutex);
    while (arrived.wait(lock, stop, [&] { return !queue.empty(); })) {
      taken += queue.front();
      queue.pop_front();
    }
  });
  for (int i = 1; i <= 1000; i++) {
    {
      std::scoped_lock lock(mutex);
      queue.push_back(i);
    }
    arrived.notify_one();
  }
  for (;;) {
    std::this_thread::yield();
    std::scoped_lock lock(mutex);
    if (queue.empty()) break;
  }
  consumer.request_stop();
  consumer.join();

  std::atomic<int> turn = 0;
  std::jthread waiter([&] {
    for (int i = 0; i < 100; i++) {
      turn.wait(2 * i);
      turn.store(2 * i + 2);
      turn.notify_one();
    }
  });
  for (int i = 0; i < 100; i++) {
    turn.store(2 * i + 1);
    turn.notify_one();
    turn.wait(2 * i + 1);
  }
  waiter.join();

  std::ostringstream out;
  out << "thread-local " << Tally::whole - before << ", atomic " << atomic << ", locked " << locked << ", initialised " << initialised
      << ", rounds " << rounds << ", taken " << taken << ", turns " << turn << "\n";
  return out.str();
}

struct Counted {
  static inline std::atomic<int> alive = 0;
  Counted() { alive++; }
  ~Counted() { alive--; }
};

// Throws at the bottom of a stack with an object to destroy at each level.
int dive(int depth) {
  Counted counted;
  if (depth == 0) throw std::out_of_range("the bottom");
  return dive(depth - 1) + 1;
}

std::string messages(const std::exception &error) {
  std::string text = error.what();
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception &inner) {
    text += " because of " + messages(inner);
  }
  return text;
}

std::string exceptions() {
  std::ostringstream out;

  std::promise<int> promise;
  std::jthread([&] {
    try {
      dive(500);
    } catch (...) {
      promise.set_exception(std::current_exception());
    }
  }).join();
  try {
    promise.get_future().get();
  } catch (const std::out_of_range &error) {
    out << "promise: " << error.what() << ", alive " << Counted::alive << "\n";
  }

  auto task = std::async(std::launch::async, []() -> int {
    try {
      std::vector<int>(3).at(7);
    } catch (...) {
      std::throw_with_nested(std::runtime_error("no element"));
    }
    return 0;
  });
  try {
    task.get();
  } catch (const std::exception &error) {
    const bool nests = messages(error).starts_with("no element because of vector::_M_range_check");
    out << "async: " << (nests ? "nested" : messages(error)) << "\n";
  }

  // All unwind at the same time.
  std::atomic<int> caught = 0;
  {
    std::vector<std::jthread> throwers;
    for (int i = 0; i < 8; i++)
      throwers.emplace_back([&] {
        for (int j = 0; j < 100; j++) try {
            dive(j % 20);
          } catch (const std::out_of_range &) {
            caught++;
          }
      });
  }
  out << "caught " << caught << ", alive " << Counted::alive << "\n";

  try {
    [[maybe_unused]] std::future<int> broken = std::promise<int>().get_future();
    broken.get();
  } catch (const std::future_error &error) {
    out << "future: " << error.code().message() << "\n";
  }
  try {
    std::string().reserve(std::string().max_size());
  } catch (const std::bad_alloc &) {
    out << "bad_alloc\n";
  }
  return out.str();
}

std::string filesystem() {
  static std::atomic<int> number = 0;
  const fs::path root = fs::temp_directory_path() / ("files-" + std::to_string(number++));
  fs::create_directories(root / "a/b/c");
  std::ofstream(root / "a/b/text") << std::string(100'000, 'x');
  fs::create_symlink("text", root / "a/b/link");
  fs::create_hard_link(root / "a/b/text", root / "a/hard");
  fs::copy(root / "a", root / "copy", fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  fs::rename(root / "a/b/c", root / "moved");
  fs::resize_file(root / "copy/b/text", 50'000);
  fs::permissions(root / "copy/hard", fs::perms::owner_read);
  const auto then = fs::file_time_type::clock::now() - 24h;
  fs::last_write_time(root / "copy/hard", then);

  std::set<std::string> found;
  for (const auto &entry : fs::recursive_directory_iterator(root)) {
    std::ostringstream line;
    line << entry.path().lexically_relative(root).string();
    if (entry.is_symlink())
      line << " -> " << fs::read_symlink(entry).string();
    else if (entry.is_regular_file())
      line << " " << entry.file_size() << " " << entry.hard_link_count();
    found.insert(line.str());
  }
  std::ostringstream out;
  for (const auto &line : found) out << line << "\n";
  out << fs::canonical(root / "a/./b/../b/link").lexically_relative(fs::canonical(root)).string() << ", "
      << (fs::equivalent(root / "a/hard", root / "a/b/text") ? "the same" : "different") << ", "
      << (fs::last_write_time(root / "copy/hard") == then ? "a day old" : "of another age") << "\n";
  try {
    fs::rename(root / "nowhere", root / "somewhere");
  } catch (const fs::filesystem_error &error) {
    out << error.code().message() << ": " << error.path1().filename().string() << "\n";
  }
  out << (fs::space(root).available > 0 ? "space" : "no space") << ", " << fs::remove_all(root) << " removed\n";
  return out.str();
}

std::string chrono() {
  using std::chrono::steady_clock;
  const auto began = steady_clock::now();
  std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_until(began + 20ms);
  std::timed_mutex mutex;
  std::scoped_lock held(mutex);
  const bool got = std::async(std::launch::async, [&] { return mutex.try_lock_for(10ms); }).get();
  std::promise<void> never;
  const bool late = never.get_future().wait_for(10ms) == std::future_status::timeout;
  const auto passed = steady_clock::now() - began;
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()));
  std::ostringstream out;
  out << (got ? "locked twice" : "not locked") << ", " << (late ? "late" : "early") << ", " << (passed >= 40ms ? "not too early" : "too early") << ", "
      << (today.ok() && today.year() >= std::chrono::year(2024) ? "a date of today" : "no date") << "\n";
  return out.str();
}

std::string greeting() {
  const char *text = std::getenv("GREETING");
  return std::string(text ? text : "Hello from C++") + "\n";
}

void terminate() {
  std::jthread([] { throw std::runtime_error("nobody catches this"); }).join();
}

const std::map<std::string, std::function<std::string()>> answers = {
    {"/", greeting},          {"/threads", threads}, {"/exceptions", exceptions}, {"/filesystem", filesystem}, {"/chrono", chrono},
    {"/terminate", [] {
       terminate();
       return "";
     }},
};

[[noreturn]] void fail(const char *what) { throw std::system_error(errno, std::generic_category(), what); }

class Connection {
  int fd;

public:
  explicit Connection(int fd) : fd(fd) {}
  Connection(const Connection &) = delete;
  ~Connection() { close(fd); }

  void serve() {
    std::string request;
    char buffer[4096];
    while (request.find("\r\n\r\n") == std::string::npos) {
      const ssize_t length = recv(fd, buffer, sizeof buffer, 0);
      if (length < 0) fail("recv");
      if (length == 0) return;
      request.append(buffer, static_cast<size_t>(length));
    }
    std::istringstream line(request);
    std::string method, path;
    line >> method >> path;
    const auto answer = answers.find(path);
    const std::string body = answer == answers.end() ? "there is nothing here\n" : answer->second();
    const std::string status = answer == answers.end() ? "404 Not Found" : "200 OK";
    std::string response = "HTTP/1.1 " + status + "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
                           std::to_string(body.size()) + "\r\n\r\n" + body;
    for (size_t sent = 0; sent < response.size();) {
      const ssize_t length = send(fd, response.data() + sent, response.size() - sent, MSG_NOSIGNAL);
      if (length < 0) fail("send");
      sent += static_cast<size_t>(length);
    }
  }
};

} // namespace

int main() {
  const char *port = std::getenv("PORT");
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0) fail("socket");
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port ? std::stoi(port) : 8080));
  if (bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) fail("bind");
  if (listen(listener, 64) != 0) fail("listen");
  std::cout << "cpp-server: listening on port " << ntohs(address.sin_port) << std::endl;
  std::vector<std::jthread> pool;
  for (int i = 0; i < 4; i++)
    pool.emplace_back([listener] {
      for (;;) try {
          const int fd = accept(listener, nullptr, nullptr);
          if (fd < 0) fail("accept");
          Connection(fd).serve();
        } catch (const std::exception &error) {
          std::cout << "cpp-server: " << error.what() << std::endl;
        }
    });
}
