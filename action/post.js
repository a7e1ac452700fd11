// Takes away what main.js has left: tokens, and entries in Docker's configuration.

const { environ, helper, report } = require("./helper.js");

const { STATE_registries: registries, STATE_added: added } = environ;
try {
  if (registries) helper(["logout", registries]);
} catch (error) {
  report(error);
}
try {
  if (added) helper(["configure", "--remove", added]);
} catch (error) {
  report(error);
}
