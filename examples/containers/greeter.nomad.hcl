job "greeter" {
  group "greeter" {
    network {
      port "http" {}
      port "probes" {}
    }

    # The bridge ends with a failure when the watchdog expires.
    restart {
      attempts = 3
      interval = "10m"
      delay    = "5s"
      mode     = "delay"
    }

    service {
      provider = "nomad"
      name     = "greeter"
      port     = "http"

      check {
        type     = "http"
        port     = "probes"
        path     = "/readyz"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "server" {
      driver = "docker"

      config {
        image = "greeter-bridged:1"
        ports = ["http", "probes"]
        entrypoint = [
          "sd-notify", "bridge", "--watchdog=10", "--drain-delay=5", "--timeout-stop=20",
          "--http=0.0.0.0:${NOMAD_PORT_probes}", "--",
        ]
        command = "bun"
        args    = ["/app/server.ts"]
      }

      env {
        PORT = "${NOMAD_PORT_http}"
      }

      # A client's max_kill_timeout is 30 s by default.
      kill_timeout = "30s"
    }
  }
}
