/*
 * The first process of the Linux guest that this kernel is measured against. Does as little as it can: loads the modules
 * in the order of /modules, sets the static address, mounts the disk (the same EROFS file system that the unikernel
 * boots from) with a tmpfs over it, writes what containers find of names, and becomes the application that /application describes.
 *
 * /application: NUL-terminated strings: uid, gid, working directory, number of arguments, arguments…, environment…
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    printf("init: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    reboot(RB_AUTOBOOT);
    _exit(1);
}

static void load_modules(void) {
    FILE *list = fopen("/modules", "r");
    char path[256];
    if (!list)
        die("/modules");
    while (fgets(path, sizeof path, list)) {
        path[strcspn(path, "\n")] = '\0';
        int module = open(path, O_RDONLY | O_CLOEXEC);
        if (module < 0 || syscall(SYS_finit_module, module, "", 0) < 0)
            die(path);
        close(module);
    }
    fclose(list);
}

static void set_address(struct ifreq *request, const char *address) {
    struct sockaddr_in *in = (struct sockaddr_in *)&request->ifr_addr;
    *in = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, address, &in->sin_addr);
}

static void interface_up(int control, const char *name, const char *address, const char *mask) {
    struct ifreq request = {0};
    strcpy(request.ifr_name, name);
    set_address(&request, address);
    if (ioctl(control, SIOCSIFADDR, &request) < 0)
        die("SIOCSIFADDR");
    set_address(&request, mask);
    if (ioctl(control, SIOCSIFNETMASK, &request) < 0)
        die("SIOCSIFNETMASK");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0)
        die("SIOCSIFFLAGS");
}

static void set_up_network(void) {
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0)
        die("socket");
    interface_up(control, "lo", "127.0.0.1", "255.0.0.0");
    interface_up(control, "eth0", GUEST_ADDRESS, "255.255.255.0");
    close(control);
}

static void mount_or_die(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    if (mount(source, target, type, flags, data) < 0)
        die(target);
}

static void mount_root(void) {
    mkdir("/disk", 0755);
    mkdir("/memory", 0755);
    mkdir("/root", 0755);
    /* The disk may turn up a moment after its driver. */
    for (int tries = 0; mount("/dev/vda", "/disk", "erofs", MS_RDONLY, NULL) < 0; tries++) {
        if (tries == 2000)
            die("/disk");
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    mount_or_die("tmpfs", "/memory", "tmpfs", 0, NULL);
    mkdir("/memory/upper", 0755);
    mkdir("/memory/work", 0755);
    mount_or_die("overlay", "/root", "overlay", 0, "lowerdir=/disk/rootfs,upperdir=/memory/upper,workdir=/memory/work");
    if (chdir("/root") < 0)
        die("/root");
    mkdir("dev", 0755);
    mkdir("proc", 0555);
    mkdir("sys", 0555);
    mkdir("tmp", 01777);
    mount_or_die("dev", "dev", "devtmpfs", 0, NULL);
    mount_or_die("proc", "proc", "proc", 0, NULL);
    mount_or_die("sys", "sys", "sysfs", 0, NULL);
    mkdir("dev/pts", 0755);
    mount_or_die("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666");
    mkdir("dev/shm", 01777);
    mount_or_die("shm", "dev/shm", "tmpfs", 0, "mode=1777");
    if (chroot(".") < 0)
        die("chroot");
}

static void write_file(const char *path, const char *content) {
    unlink(path);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (file < 0 || write(file, content, strlen(content)) < 0)
        die(path);
    close(file);
}

/* What a container finds of names: without it, resolving one's own takes the time-outs of name servers. */
static void write_names(void) {
    if (mkdir("etc", 0755) < 0 && errno != EEXIST)
        die("etc");
    if (sethostname("localhost", strlen("localhost")) < 0)
        die("sethostname");
    write_file("etc/hostname", "localhost\n");
    write_file("etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
    write_file("etc/resolv.conf", "nameserver " NAME_SERVER "\n");
    symlink("/proc/self/fd", "dev/fd");
    symlink("/proc/self/fd/0", "dev/stdin");
    symlink("/proc/self/fd/1", "dev/stdout");
    symlink("/proc/self/fd/2", "dev/stderr");
}

static char *next_string(char **cursor) {
    char *string = *cursor;
    *cursor += strlen(string) + 1;
    return string;
}

int main(void) {
    static char description[65536];
    static char *arguments[256], *environment[256];

    mkdir("/dev", 0755);
    mount_or_die("dev", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(console, fd);

    int file = open("/application", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, description, sizeof description - 1);
    if (length <= 0)
        die("/application");
    load_modules();
    set_up_network();
    mount_root();
    write_names();

    char *cursor = description;
    int uid = atoi(next_string(&cursor)), gid = atoi(next_string(&cursor));
    char *folder = next_string(&cursor);
    int count = atoi(next_string(&cursor));
    for (int i = 0; i < count && i < 255; i++)
        arguments[i] = next_string(&cursor);
    for (int i = 0; cursor < description + length && i < 255; i++)
        environment[i] = next_string(&cursor);

    if (chdir(folder) < 0)
        die(folder);
    if (setgroups(0, NULL) < 0 || setgid((gid_t)gid) < 0 || setuid((uid_t)uid) < 0)
        die("setuid");
    environ = environment;
    execvpe(arguments[0], arguments, environment);
    die(arguments[0]);
}
