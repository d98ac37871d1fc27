import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** So many requests at once; for each: version, status, whether there was a body. */
public class Ask {
    public static void main(String[] arguments) throws Exception {
        String address = arguments[0], folder = arguments[1], bundle = arguments[2], password = arguments[3];
        int count = Integer.parseInt(arguments[4]);
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (FileInputStream file = new FileInputStream(folder + "/ca.crt")) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(keys(folder, bundle, password.toCharArray()), trust.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder().sslContext(tls).build();
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(address + "/"))
                .POST(HttpRequest.BodyPublishers.ofString("x".repeat(number * 50000))).build();
            answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.ofString()));
        }
        for (CompletableFuture<HttpResponse<String>> answer : answers) {
            HttpResponse<String> one = answer.get();
            System.out.println(one.version() + " " + one.statusCode() + " " + !one.body().isEmpty());
        }
    }

    private static KeyManager[] keys(String folder, String bundle, char[] password) throws Exception {
        if (bundle.equals("nobody")) {
            return null;
        }
        KeyStore own = KeyStore.getInstance("PKCS12");
        try (FileInputStream file = new FileInputStream(folder + "/" + bundle)) {
            own.load(file, password);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, password);
        return keys.getKeyManagers();
    }
}
