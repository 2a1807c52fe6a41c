#!/usr/bin/env escript
%% A web server of processes: one accepts, each connection has its own. Each path uses something else of what Erlang has.
-mode(compile).

main(_) ->
    visits = ets:new(visits, [named_table, public, {write_concurrency, true}]),
    ets:insert(visits, {count, 0}),
    Options = [binary, {packet, http_bin}, {active, false}, {reuseaddr, true}, {backlog, 64}],
    {ok, Listener} = gen_tcp:listen(8080, Options),
    io:format("Erlang/OTP ~s listens~n", [erlang:system_info(otp_release)]),
    accept(Listener).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Server = spawn(fun() -> receive ready -> serve(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Server),
    Server ! ready,
    accept(Listener).

serve(Socket) ->
    case gen_tcp:recv(Socket, 0, 60000) of
        {ok, {http_request, _Method, {abs_path, Path}, _Version}} -> serve(Socket, Path);
        %% Somebody has looked whether there is a server.
        {error, closed} -> gen_tcp:close(Socket)
    end.

serve(Socket, Path) ->
    skip_headers(Socket),
    {Status, Body} =
        try {"200 OK", answer(Path)}
        catch Class:Reason:Stack -> {"500 Internal Server Error", io_lib:format("~p", [{Class, Reason, Stack}])}
        end,
    Length = integer_to_list(iolist_size(Body)),
    Head = ["HTTP/1.1 ", Status, "\r\nConnection: close\r\nContent-Length: ", Length, "\r\n\r\n"],
    ok = gen_tcp:send(Socket, [Head, Body]),
    gen_tcp:close(Socket).

skip_headers(Socket) ->
    case gen_tcp:recv(Socket, 0, 60000) of
        {ok, http_eoh} -> ok;
        {ok, {http_header, _, _, _, _}} -> skip_headers(Socket)
    end.

%% Numbers, booleans and strings look in JSON as they do in Erlang.
object(Members) ->
    ["{", lists:join(",", [io_lib:format("\"~s\":~p", [Name, Value]) || {Name, Value} <- Members]), "}"].

answer(<<"/">>) ->
    object([
        {release, erlang:system_info(otp_release)},
        {schedulers, erlang:system_info(schedulers_online)},
        {processors, erlang:system_info(logical_processors_available)},
        {jit, erlang:system_info(emu_flavor) =:= jit},
        {distributed, node() =/= nonode@nohost},
        {process, list_to_integer(os:getpid())}
    ]);
%% A ring of thousands of processes around which a message travels.
answer(<<"/ring">>) ->
    Count = 5000,
    Self = self(),
    First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> pass_on(Next) end) end, Self, lists:seq(1, Count)),
    Laps = [begin First ! Lap, receive Number -> Number - Lap end end || Lap <- lists:seq(1, 5)],
    First ! stop,
    receive stop -> ok end,
    object([{hops, lists:sum(Laps)}]);
%% A table that hundreds of processes write at a time.
answer(<<"/table">>) ->
    Workers = [
        spawn_monitor(fun() ->
            [ets:update_counter(visits, count, 1) || _ <- lists:seq(1, 100)],
            ets:insert(visits, {Worker, binary:copy(<<"x">>, 1000)})
        end)
     || Worker <- lists:seq(1, 200)
    ],
    [receive {'DOWN', Monitor, process, _, normal} -> ok end || {_, Monitor} <- Workers],
    [{count, Count}] = ets:lookup(visits, count),
    object([{count, Count}, {rows, ets:info(visits, size)}]);
%% Timers that go off in their order, and one that is taken back.
answer(<<"/timers">>) ->
    [erlang:send_after(Time, self(), {timer, Time}) || Time <- [90, 10, 50, 30, 70]],
    Cancelled = erlang:send_after(600000, self(), late),
    Left = erlang:cancel_timer(Cancelled),
    Order = [receive {timer, Time} -> Time end || _ <- lists:seq(1, 5)],
    Before = erlang:monotonic_time(millisecond),
    receive late -> ok after 20 -> ok end,
    Waited = erlang:monotonic_time(millisecond) - Before,
    object([{ordered, Order =:= lists:sort(Order)}, {cancelled, Left > 0}, {waited, Waited >= 20}]);
%% Other programs, through the helper that starts them.
answer(<<"/ports">>) ->
    Shell = os:cmd("echo $((6 * 7)) | tr 2 3"),
    Port = open_port({spawn_executable, os:find_executable("sort")}, [binary, exit_status, {args, ["/app/lines"]}]),
    Sorted = collect(Port, []),
    Bad = open_port({spawn, "sh -c 'exit 7'"}, [exit_status]),
    Exit = receive {Bad, {exit_status, Status}} -> Status end,
    object([{shell, string:trim(Shell)}, {sorted, Sorted}, {status, Exit}]);
%% Files, through the threads that do what may wait.
answer(<<"/files">>) ->
    Data = rand:bytes(1000000),
    Names = ["/tmp/" ++ integer_to_list(Number) || Number <- lists:seq(1, 8)],
    Self = self(),
    [spawn_link(fun() -> ok = file:write_file(Name, Data), Self ! {written, Name} end) || Name <- Names],
    [receive {written, Name} -> ok end || Name <- Names],
    Same = lists:all(fun(Name) -> file:read_file(Name) =:= {ok, Data} end, Names),
    {ok, File} = file:open(hd(Names), [read, raw, binary]),
    {ok, Piece} = file:pread(File, 500000, 1000),
    ok = file:close(File),
    [ok = file:delete(Name) || Name <- Names],
    object([{same, Same}, {piece, Piece =:= binary:part(Data, 500000, 1000)}]);
%% Work long enough for schedulers to take from each other and for the collector.
answer(<<"/compute">>) ->
    Self = self(),
    [spawn_link(fun() -> Self ! {sum, primes(Number)} end) || Number <- lists:duplicate(8, 5000)],
    Sums = [receive {sum, Sum} -> Sum end || _ <- lists:seq(1, 8)],
    object([{primes, lists:sum(Sums)}]).

pass_on(Next) ->
    receive
        stop -> Next ! stop;
        Number -> Next ! Number + 1, pass_on(Next)
    end.

collect(Port, Sofar) ->
    receive
        {Port, {data, Data}} -> collect(Port, [Data | Sofar]);
        {Port, {exit_status, 0}} -> binary_to_list(iolist_to_binary(lists:reverse(Sofar)))
    end.

primes(Limit) -> length([Number || Number <- lists:seq(2, Limit), is_prime(Number, 2)]).

is_prime(Number, Divisor) when Divisor * Divisor > Number -> true;
is_prime(Number, Divisor) when Number rem Divisor =:= 0 -> false;
is_prime(Number, Divisor) -> is_prime(Number, Divisor + 1).
