// The containers that the tests boot: unmodified Debian packages, and over them a folder of this directory with what an image of one's own
// would add. What is done here besides is what the packages' own scripts would have done at their installation.

/**
 * A set of packages, made into one layer that containers share.
 * @typedef {object} Packages
 * @property {string[]} packages
 * @property {string[]} [users] System users that the packages' scripts would add.
 * @property {string[]} [folders] Folders that the scripts would make.
 * @property {Record<string, string>} [links] Path → target, as `update-alternatives` would make them.
 * @property {boolean} [compilesPython] Whether the scripts would compile Python's modules.
 * @property {Record<string, string>} [copies] Path → the file in the package that `ucf` would have copied there.
 */

/** @type {Record<string, Packages>} */
export const packageSets = {
  servers: {
    packages: [
      ...["bash", "dash", "coreutils", "findutils", "gettext-base", "grep", "openssl", "sed", "util-linux"],
      ...["haproxy", "memcached", "nginx", "php8.2-cli", "php8.2-fpm", "php8.2-sqlite3", "redis-server", "redis-tools"],
    ],
    users: ["redis", "memcache", "haproxy"],
    folders: ["var/lib/redis", "var/log/redis"],
    links: { "usr/bin/php": "php8.2" },
    copies: { "etc/php/8.2/fpm/php.ini": "usr/lib/php/8.2/php.ini-production" },
  },
  ruby: { packages: ["coreutils", "dash", "puma", "ruby", "ruby-sinatra", "ruby-sqlite3"] },
  python: { packages: ["coreutils", "gunicorn", "python3", "python3-flask"], compilesPython: true },
  node: { packages: ["coreutils", "dash", "nodejs"] },
  postgres: {
    packages: ["bash", "coreutils", "dash", "grep", "sed", "util-linux", "postgresql-15"],
    users: ["postgres"],
  },
};

/** Against what the package's settings mean for a daemon of a machine: in the foreground, reachable, its log on the console. */
const redisOptions = [
  ...["--daemonize", "no", "--bind", "*", "--protected-mode", "no", "--logfile", ""],
  ...["--appendonly", "yes", "--enable-debug-command", "yes"],
];

/**
 * @typedef {object} Container
 * @property {string} packages Name of the set.
 * @property {object} config How it is run, as the OCI image specification has it.
 */

/** Name, and folder with its files → container. @type {Record<string, Container>} */
export const containers = {
  nginx: {
    packages: "servers",
    config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["nginx", "-g", "daemon off;"], StopSignal: "SIGQUIT" },
  },
  redis: {
    packages: "servers",
    config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["redis-server", "/etc/redis/redis.conf", ...redisOptions] },
  },
  puma: { packages: "ruby", config: { Cmd: ["puma", "--config", "puma.rb"], WorkingDir: "/app", User: "www-data" } },
  gunicorn: {
    packages: "python",
    config: { Cmd: ["gunicorn", "--config", "gunicorn.conf.py", "app:app"], WorkingDir: "/app", User: "www-data" },
  },
  node: { packages: "node", config: { Cmd: ["node", "server.js"], WorkingDir: "/app", User: "www-data" } },
  postgres: { packages: "postgres", config: { Entrypoint: ["/docker-entrypoint.sh"], Cmd: ["postgres"] } },
};
