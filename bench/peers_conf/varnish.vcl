vcl 4.1;
# Varnish: key and mapping as conditions that the run writes, cache by tenant, limit by vsthrottle, counters of varnishstat.
import vsthrottle;

backend cloud_elements {
  .host = "{{origin_host}}";
  .port = "{{origin_port}}";
}

sub vcl_recv {
  if (req.http.Authorization != "Bearer {{key}}") {
    return (synth(401));
  }
  unset req.http.Authorization;
  unset req.http.X-Injected;
{{rules}}
  if (!req.http.X-Injected) {
    return (synth(404));
  }
  if (vsthrottle.is_denied(req.http.Gateway-Element, {{calls_per_second}}, 1s)) {
    return (synth(429));
  }
  set req.http.X-Tenant = req.http.Gateway-Customer + "/" + req.http.Gateway-Element;
  unset req.http.Gateway-Customer;
  unset req.http.Gateway-Element;
  if (req.method != "GET" && req.method != "HEAD") {
    return (pass);
  }
  return (hash);
}

sub vcl_hash {
  hash_data(req.http.X-Tenant);
  hash_data(req.url);
  return (lookup);
}

sub vcl_backend_fetch {
  set bereq.http.Authorization = bereq.http.X-Injected;
  unset bereq.http.X-Injected;
  unset bereq.http.X-Tenant;
}

sub vcl_backend_response {
  set beresp.grace = 30s;
}
