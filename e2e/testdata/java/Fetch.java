import java.net.Authenticator;
import java.net.HttpURLConnection;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Fetches a URL with both HTTP clients of Java, with and without the credentials of the proxy. */
public class Fetch {
    public static void main(String[] args) throws Exception {
        if (!"127.0.0.1".equals(System.getProperty("https.proxyHost"))) {
            throw new IllegalStateException("there is no proxy, so the request would go to the real host");
        }
        URI uri = URI.create(args[0]);
        Authenticator proxy = new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(System.getProperty("https.proxyUser"), System.getProperty("https.proxyPassword").toCharArray());
            }
        };
        HttpURLConnection without = (HttpURLConnection) uri.toURL().openConnection();
        HttpURLConnection with = (HttpURLConnection) uri.toURL().openConnection();
        with.setAuthenticator(proxy);
        HttpRequest request = HttpRequest.newBuilder(uri).build();
        HttpClient client = HttpClient.newBuilder().authenticator(proxy).build();
        System.out.println(status(without) + " " + status(with) + " "
            + HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode() + " "
            + client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
    }

    private static int status(HttpURLConnection connection) throws Exception {
        return connection.getResponseCode();
    }
}
